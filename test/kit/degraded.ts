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
      'It is given up after its deadline (`deadlines.reset`, `deadlines.resetDevice`). A guest that asked gets `op_failed`; a device that came back is quarantined; other guests are attached and served meanwhile. On Xen, where the kernel may never come back from it, two such take no more than two threads; later ones are done in processes of their own.',
    tests: [
      [
        'test/plugins/platforms/xen/sysfs-bus.test.ts',
        'that never end hold nothing up but themselves: later ones are made in processes of their own',
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
      ['test/plugins/platforms/xen/holders.test.ts', 'gives nothing back of a function that was removed meanwhile'],
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
];
