// SPDX-License-Identifier: MIT

/** Something that is wrong with a host, what pciback does then, and the tests that show it. */
export interface DegradedRow {
  readonly fault: string;
  readonly behaviour: string;
  /** File, and title of a test in it. */
  readonly tests: readonly (readonly [file: string, title: string])[];
}

/** What becomes of guests and daemon when their host is not as it should be. */
export const degraded: readonly DegradedRow[] = [
  {
    fault: 'A function is removed while a guest has it: its registers read as ones',
    behaviour:
      'Reads of registers in hardware are answered with ones and without an error; what the table holds stays as it was. Others are served. When it comes back it is quarantined.',
    tests: [
      [
        'test/core/degraded-host.test.ts',
        'a function that is removed under its guest answers ones, and goes to nobody else',
      ],
    ],
  },
  {
    fault: 'The host refuses accesses to config space',
    behaviour: 'The request is answered `op_failed`, said at a limited rate, and the next one is served.',
    tests: [
      ['test/core/pciback.test.ts', 'S-13: a host that refuses is op_failed, and the next request is served'],
      [
        'test/core/stub/stub.test.ts',
        'a device that does not answer is quarantined, its PIRQs are unmapped all the same (XSA-360)',
      ],
    ],
  },
  {
    fault: 'A reset never ends',
    behaviour:
      'It is given up after its deadline (`deadlines.reset`, `deadlines.resetDevice`). A guest that asked gets `op_failed`; a device that came back is quarantined; other guests are attached and served meanwhile. On Xen, where the kernel may never come back from it, two such take no more than two threads; as soon as they have taken a second, others are done in processes of their own.',
    tests: [
      [
        'test/plugins/platforms/xen/sysfs-bus.test.ts',
        'that never end hold nothing up but themselves: later ones are made in processes of their own',
      ],
      [
        'test/plugins/platforms/xen/sysfs-bus.test.ts',
        'of one guest that hang in every place hold up those of another for a moment, and then not at all',
      ],
      ['test/core/degraded-host.test.ts', 'a reset that never ends holds up its own guest only'],
      [
        'test/core/wall/host.test.ts',
        'a reset that never ends: the device is quarantined, and one stop ends everything',
      ],
    ],
  },
  {
    fault: 'The clock jumps',
    behaviour:
      'Nothing happens: every deadline and limit is counted on a clock that only goes forward. The time in a line of the log is that of the wall.',
    tests: [['test/core/degraded-host.test.ts', 'no deadline or limit is counted on the clock of the wall']],
  },
  {
    fault: 'The process stands still: stopped by a signal, suspended with its host',
    behaviour:
      'Guests wait, and are answered when it goes on. Whoever had a deadline meanwhile keeps at least three quarters of it: nothing counts as hanging because this process did.',
    tests: [['test/core/wall/wall.test.ts', 'does not count a time in which this process stood still']],
  },
  {
    fault: 'The queue of event channels overflows: events are lost',
    behaviour: 'Every page is looked at once, by the lane and by the control thread.',
    tests: [
      ['test/plugins/platforms/xen/events.test.ts', 'after an overflow the queue is reset and every channel is called'],
      ['test/plugins/lane/overflow.test.ts', 'looks at the page of every guest, and has the control thread look too'],
    ],
  },
  {
    fault: 'Files in sysfs are gone when a function is released',
    behaviour:
      'A function that was removed has nothing to give back: the release succeeds. A step that the host refuses is an error, and the release can be tried again.',
    tests: [
      ['test/plugins/platforms/xen/stand-alone-holder.test.ts', 'that was removed meanwhile is forgotten'],
      [
        'test/plugins/platforms/xen/stand-alone-holder.test.ts',
        'stays noted where it could not be given back, and can be given back again',
      ],
    ],
  },
  {
    fault: 'The host holds the lane up in a read of config space',
    behaviour: 'The control thread looks at the pages of the other guests until the lane goes on.',
    tests: [
      [
        'test/plugins/lane/stand-in.test.ts',
        'is stood in for: the control thread looks at the pages of the guests that it has not in its hands',
      ],
    ],
  },
  {
    fault: 'xenstore does not answer',
    behaviour:
      'While guests are served it is waited for as long as it takes: they need none. The log says which request waits, and when the answer comes. At a start it is given up after `deadlines.store`; at the end too, and guests count as gone: what they have is given back.',
    tests: [
      [
        'test/plugins/program/patient-store.test.ts',
        'while guests are served, is waited for, and the log says so and when it answers again',
      ],
      [
        'test/plugins/program/patient-store.test.ts',
        'at the end, is given up: nothing is in it any more, and nothing more is asked',
      ],
    ],
  },
  {
    fault: 'xenstore is gone',
    behaviour:
      'What waits for it fails with `STORE_LOST`, and the process ends with status 1, without a word to its guests: they are left to the next process, which a supervisor starts.',
    tests: [
      ['test/contract/xenstore-client.test.ts', 'by the server rejects what is pending and what comes later'],
      ['test/plugins/commands/command-line.test.ts', 'ends with an error when the store is lost'],
    ],
  },
  {
    fault: 'The disk of the journal is full, or its folder cannot be written',
    behaviour:
      'Guests are served on. The journal is removed, so that it misleads nobody, which is said (`journal not kept`), and shown by `pciback status`; every second it is begun anew with all that is known. Memory for registers was reserved when it was made.',
    tests: [
      ['test/plugins/journal/again.test.ts', 'is begun anew with all that is known as soon as it can be'],
      ['test/soak/soak.test.ts', 'serves its guests, each answer right and none missing, and holds nothing in the end'],
    ],
  },
  {
    fault: 'Memory is tight',
    behaviour:
      'The unit keeps the process from being chosen (`OOMScoreAdjust`) and from taking all (`MemoryMax`). Above `loop.megabytes` the plugin whose code runs is named and the process ended, so that another one goes on with the guests. What guests can cause has limits: lines of the log, also of guests that are gone, and refused writes that are kept.',
    tests: [
      ['test/plugins/supervisor/hangs.test.ts', 'is named, and ends the process'],
      [
        'test/plugins/guest-budgets.test.ts',
        'leaves one timer for all guests that are gone, whose last lines are counted together',
      ],
      ['test/core/hot-load.test.ts', 'leaves nothing of the tables that were in force before it'],
    ],
  },
  {
    fault: 'The whole process stands still for a while (`SIGSTOP`, a host that was suspended)',
    behaviour:
      'Guests wait; what they asked meanwhile is answered when it goes on. Under a service manager with a watchdog one that stands still for longer is ended, and another one goes on.',
    tests: [
      ['test/soak/soak.test.ts', 'serves its guests, each answer right and none missing, and holds nothing in the end'],
    ],
  },
];
