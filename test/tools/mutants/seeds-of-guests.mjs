// SPDX-License-Identifier: MIT

import { seed } from './seed.mjs';

const worker = 'test/core/dispatcher/ring-server.test.ts';
const eoi = ['test/core/dispatcher/late-eoi.test.ts', "'a request' (seed c2711441bc)"];
const xenEoi = ['test/plugins/platforms/xen/late-eoi.test.ts', "'a request' (seed c2711441bc)"];
const states = 'test/core/xenbus/state-machine.test.ts';
const decisions = 'test/plugins/interrupts/decisions.test.ts';
const atWork = 'test/plugins/interrupts/at-work.test.ts';
const policies = 'test/property/interrupt-policies.test.ts';
const whole = 'test/core/whole-driver.test.ts';
const dispatcher = 'core/dispatcher/dispatcher.ts';

/** Seeds about requests, interrupt control, the states of a guest, and the driver as a whole. */
export const seedsOfGuests = [
  seed(
    'c2711441bc',
    'a delivery is never ended',
    {
      file: 'core/dispatcher/ring-server.ts',
      find: 'this.#answer();\n    }\n    this.#unmask();',
      replace: 'this.#answer();\n    }',
    },
    [[worker, 'a request', 'two requests back to back in one run'], eoi, xenEoi],
  ),
  seed(
    'c2711441bc',
    'no back-off',
    {
      file: 'core/dispatcher/ring-server.ts',
      find: 'if (excess <= 0) this.#unmask();',
      replace: 'if (excess < 1e9) this.#unmask();',
    },
    [[worker, 'an empty event is unmasked at once, the next ones later and later, at most one second']],
  ),
  seed(
    'c2711441bc',
    'the back-off goes on after a request',
    {
      file: 'core/dispatcher/ring-server.ts',
      find: 'this.#emptyEvents = 0;\n      this.#excused = served > 0;',
      replace: 'this.#excused = served > 0;',
    },
    [[worker, 'a request ends the back-off']],
  ),
  seed(
    '4969a3a2cd',
    'a line for each request',
    {
      file: 'core/xenbus/guest-backend.ts',
      find: 'new Dispatcher(slots, failed,',
      replace:
        "new Dispatcher({ lookup: (...at) => (budget.log.info({ at }, 'request'), slots.lookup(...at)) }, failed,",
    },
    [['test/core/log-levels.test.ts', 'says nothing per request at level info (seed 4969a3a2cd)']],
  ),
  seed(
    '476878e4b2',
    'no permission is needed',
    { file: 'plugins/interrupts/rules.ts', find: 'if (!allowed || (change', replace: 'if ((change' },
    [
      [
        decisions,
        'today’s rule set: (flag, current type, old word, new word) to result (seed 476878e4b2)',
        'the rule set of 2020: (flag, current type, old word, new word) to result (seed 476878e4b2)',
      ],
    ],
  ),
  seed(
    '476878e4b2',
    'MSI beside INTx under the rules of 2020',
    {
      file: 'plugins/interrupts/rules.ts',
      find: "({ enable }) => enable, ['none'])",
      replace: "({ enable }) => enable, ['none', 'intx'])",
    },
    [
      [atWork, 'guest-controlled-2020: INTx off before MSI, MSI off before INTx (seed 476878e4b2)'],
      [policies, 'guest-controlled-2020: MSI, MSI-X and INTx'],
    ],
  ),
  seed(
    '476878e4b2',
    'both kinds of messages',
    {
      file: 'plugins/interrupts/device/interrupt-control.ts',
      find: 'if ((next & enableBit[kind]) !== 0 && usesMessages(current) && current !== kind) return false;',
      replace: '',
    },
    [[policies, 'lax: MSI and MSI-X']],
  ),
  seed(
    '476878e4b2',
    'the permission stays with the device',
    {
      file: 'core/stub/assigner.ts',
      find: 'allowed: this.#terms.policy.allowInterruptControl(device, tenant),',
      replace:
        "allowed: Reflect.set(device, 'kept', Reflect.get(device, 'kept') ?? this.#terms.policy.allowInterruptControl(device, tenant)) && Reflect.get(device, 'kept'),",
    },
    [
      [
        atWork,
        'is cleared when the device comes back: the next guest has what the rc file says of it (seed 476878e4b2, S-4)',
      ],
    ],
  ),
  seed(
    '429eafe609',
    'a worker ends under its request',
    {
      file: 'core/dispatcher/ring-server.ts',
      find: 'this.#asker?.close();\n    await this.drained();',
      replace: 'this.#asker?.close();',
    },
    [
      [worker, 'a disconnect waits for them, and answers nobody afterwards (seed 429eafe609)'],
      [states, 'unmaps only when it has ended, however the front end closes; other guests are served meanwhile'],
    ],
  ),
  seed(
    '8135cf8b09',
    'an offset out of the page',
    {
      file: 'core/ring/request.ts',
      find: 'this.sealed();\n  }',
      replace:
        "Object.defineProperty(this, 'offset', { configurable: true, get: () => page[FIRST + OFFSET] });\n    this.sealed();\n  }",
    },
    [
      [
        'test/core/ring/ring.test.ts',
        'is not changed by anything the guest does afterwards (XSA-155, seed 8135cf8b09)',
      ],
    ],
  ),
  seed(
    '8135cf8b09',
    'entries out of the page',
    {
      file: 'core/ring/request.ts',
      find: 'this.sealed();\n  }',
      replace:
        'const halves = new Uint16Array(page.buffer);\n    this.entry = (i) => halves[2 * FIRST + ENTRIES + 2 * i + 1] as number;\n    this.sealed();\n  }',
    },
    [[states, 'at any step of the work after the copy leaves every answer and the device as they are']],
  ),
  seed(
    'b1766b6289',
    'work beside work',
    { file: 'core/serial-queue.ts', find: 'const result = this.#tail.then(task);', replace: 'const result = task();' },
    [
      ['test/core/serial-queue.test.ts', 'runs one after the other (seed b1766b6289)'],
      [states, 'never interleaves, whichever end the events come from'],
    ],
  ),
  seed(
    '402c5e15b4',
    'a write outside of a transaction',
    {
      file: 'core/xenbus/guest-backend.ts',
      find: 'const previous = await platform.xenstore.transaction(async (view) => {',
      replace:
        "await platform.xenstore.write(directory + '/state', String(next));\n    const previous = await platform.xenstore.transaction(async (view) => {",
    },
    [
      [
        'test/core/xenbus/guest-backend.test.ts',
        'a store that refuses transactions gets no write outside of one (seed 402c5e15b4)',
      ],
    ],
  ),
  seed(
    '30edc14bf3',
    'no config writes',
    {
      file: dispatcher,
      find: 'target.space.write(request.offset, request.size, request.bits)',
      replace: 'Status.success',
    },
    [
      [
        whole,
        'finds the size of a BAR, which hardware never sees, and has the address back',
        'switches the device on and off by config writes, and hardware follows',
        'changes no bit that is not its own',
      ],
    ],
  ),
  seed(
    '30edc14bf3',
    'a device at each slot',
    {
      file: dispatcher,
      find: 'lookup(segment, bus, devfn)?.assignment',
      replace: 'lookup(segment, bus, devfn & 7)?.assignment',
    },
    [[whole, 'finds its device, and no other, at one of 256 addresses']],
  ),
  seed(
    '30edc14bf3',
    'no MSI',
    { file: dispatcher, find: 'return target.interrupts.enableMsi(request);', replace: 'return Status.success;' },
    [[whole, 'has MSI on and off']],
  ),
  seed(
    '30edc14bf3',
    'no MSI-X',
    { file: dispatcher, find: 'return target.interrupts.enableMsix(request);', replace: 'return Status.opFailed;' },
    [
      [whole, 'has MSI-X on and off, with a PIRQ of its own for each entry'],
      ['test/core/pciback.test.ts', 'attaches, scans, drives the device with MSI-X and gives everything back'],
    ],
  ),
  seed(
    '30edc14bf3',
    'no questions about errors',
    {
      file: 'plugins/recovery/error-requests.ts',
      find: "if (!this.#server.ring.understandsAer) return Promise.resolve('no handler');",
      replace: "return Promise.resolve('no handler');",
    },
    [
      [whole, 'is asked about an error, and its answer decides'],
      [
        'test/plugins/recovery/fencing.test.ts',
        'fatal: the link is reset, registers and interrupts come back, two guests under one port go on',
      ],
    ],
  ),
  seed(
    '30edc14bf3',
    'interrupts stay',
    {
      file: 'core/stub/stub.ts',
      find: "setBusMaster('off');\n      teardown();",
      replace: "setBusMaster('off');",
    },
    [[whole, 'gives everything back']],
  ),
];
