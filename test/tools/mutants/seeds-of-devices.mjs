// SPDX-License-Identifier: MIT

import { seed } from './seed.mjs';

const stub = 'test/core/stub/stub.test.ts';
const seizing = 'test/core/stub/seizing.test.ts';
const line = 'test/plugins/interrupts/device/line-handler.test.ts';
const names = 'test/plugins/platforms/xen/names.test.ts';
const handler = 'plugins/interrupts/device/line-handler.ts';

/** Seeds about devices: their lock, their reset, their slot, their names, their line. */
export const seedsOfDevices = [
  seed(
    'e8801a7418',
    'the lock twice at return',
    {
      file: 'core/stub/stub.ts',
      find: 'const { operations, bdf } = device;\n    const { tenant } = assignment;',
      replace:
        'const { operations, bdf } = device;\n    const { tenant } = assignment;\n    await device.lock.run(async () => {});',
    },
    [
      [
        stub,
        'is taken once for a device that comes back, by hot unplug or because its guest died',
        'is waited for by the next guest',
      ],
    ],
  ),
  seed(
    'e8801a7418',
    'the lock twice at release',
    {
      file: 'core/stub/stub.ts',
      find: 'await this.#cleanForHost(device);',
      replace: 'await device.lock.run(async () => {});\n      await this.#cleanForHost(device);',
    },
    [[stub, 'is taken once for a device that is unbound unused']],
  ),
  seed(
    'e8801a7418',
    'a used device is unbound',
    {
      file: 'core/stub/stub.ts',
      find: "if (owner !== undefined) fail('DEVICE_IN_USE'",
      replace: "if (owner === -1) fail('DEVICE_IN_USE'",
    },
    [
      [
        stub,
        'is refused while a guest has the device (D-S6)',
        'is taken once for the unbinding of a used one, which is refused',
      ],
    ],
  ),
  seed(
    '6337a23992',
    'the mapper is not told',
    { file: 'core/xenbus/exports.ts', find: 'slots.remove(device);\n      changed();', replace: 'changed();' },
    [['test/core/slot-maps.test.ts', 'is told of each device that is released, and of no other (seed 6337a23992)']],
  ),
  seed(
    'cd9db80e52',
    'not reset at seizing',
    {
      file: 'core/stub/stub.ts',
      find: 'const reset = await this.clean(device);\n      if (!reset.ok && device',
      replace: "const reset = { ok: true, method: 'none' } as ResetOutcome;\n      if (!reset.ok && device",
    },
    [[stub, 'holds, prepares MSI-X while the host owns the device, resets, switches off']],
  ),
  seed(
    'cd9db80e52',
    'not reset at return',
    {
      file: 'core/stub/stub.ts',
      find: '      reset = await this.clean(device);',
      replace: "      reset = { ok: true, method: 'none' };",
    },
    [[stub, 'goes in the order that leaves the guest nothing']],
  ),
  seed(
    'cd9db80e52',
    'what the guest left is restored',
    {
      file: 'core/stub/stub.ts',
      find: 'device.pristine.restore(device.operations.hardware)',
      replace: 'SavedConfig.of(device.operations.hardware).restore(device.operations.hardware)',
    },
    [[seizing, 'at return is what was saved at seizing, not what the guest left']],
  ),
  seed(
    'cd9db80e52',
    'not restored at release',
    {
      file: 'core/stub/stub.ts',
      find: 'const offsets = device.pristine.restore(device.operations.hardware);',
      replace: 'const offsets = [];',
    },
    [
      [stub, 'resets and restores first: the host’s driver finds the device as it was (seed cd9db80e52)'],
      [seizing, 'at release is what was saved at seizing'],
    ],
  ),
  seed(
    'cd9db80e52',
    'not restored at seizing',
    { file: 'core/stub/stub.ts', find: 'device.pristine.restore(device.operations.hardware)', replace: '[]' },
    [[seizing, 'at seizing is what was saved before it']],
  ),
  seed(
    '2ebdc42630',
    'always the same mapper',
    {
      file: 'core/pciback.ts',
      find: 'registries.slots.find(config.guests[guest]?.slots ?? config.slots)',
      replace: "registries.slots.find(config.guests[guest]?.slots ?? 'vpci')",
    },
    [['test/core/pciback.test.ts', 'keeps host addresses with the passthrough mapper']],
  ),
  seed(
    'a92336a117',
    'another driver',
    {
      file: 'plugins/platforms/xen/holders.ts',
      find: "const STUB_MODULE = 'pciback';",
      replace: "const STUB_MODULE = 'xen-pciback';",
    },
    [[names, 'the PCI driver that holds a function is `pciback`', 'no driver called `xen-pciback` holds one']],
  ),
  seed('a92336a117', 'another handler', { file: handler, find: '`xen-pciback[$', replace: '`pciback[$' }, [
    [names, 'the handler on a shared line is called `xen-pciback` with the address'],
  ]),
  seed(
    '0513fe9e5b',
    'a handler for whatever asks',
    {
      file: handler,
      find: 'return hardware.identity.headerType === 0 && hardware.line !== 0;',
      replace: 'return hardware.line >= 0;',
    },
    [[line, 'step 1: a bridge gets none', 'step 5: a device without a line gets none']],
  ),
  seed(
    '0513fe9e5b',
    'a reset forgets nothing',
    { file: handler, find: 'reset(): void {\n    this.#wanted = false;', replace: 'reset(): void {' },
    [[line, 'step 2: a reset forgets what the guest wanted, and what is acknowledged']],
  ),
  seed(
    '0513fe9e5b',
    'a handler whether or not it is wanted',
    { file: handler, find: 'if (!this.#wanted) {', replace: 'if (!this.#wanted && this.#claim !== undefined) {' },
    [[line, 'step 3: neither wanted nor there: nothing happens']],
  ),
  seed(
    '0513fe9e5b',
    'a handler beside messages',
    {
      file: handler,
      find: 'if (this.#claim !== undefined || this.#usesMessages) return;',
      replace: 'if (this.#claim !== undefined) return;',
    },
    [[line, 'step 6: never while MSI is on (XSA-157)']],
  ),
  seed(
    '0513fe9e5b',
    'no handler',
    { file: handler, find: 'canClaim) {\n        this.#install();', replace: 'canClaim) {' },
    [
      [
        line,
        'step 7: is requested under its name when the guest switches the device on, once',
        'step 9: on and acknowledging follow the guest',
      ],
      [
        'test/plugins/platforms/embedded/lines.test.ts',
        'with the dummy handler, the host keeps its own device (seed 0513fe9e5b)',
      ],
    ],
  ),
  seed('0513fe9e5b', 'a handler that is never freed', { file: handler, find: 'this.#claim?.release();', replace: '' }, [
    [line, 'step 8: is freed when the guest switches the device off'],
    ['test/plugins/commands/irq.test.ts', 'takes a handler off and puts it on'],
  ]),
  seed(
    '0513fe9e5b',
    'asked one late',
    { file: handler, find: 'QUESTION_INTERVAL = 1000;', replace: 'QUESTION_INTERVAL = 1001;' },
    [
      [
        line,
        'claims 999 interrupts without a question, asks at the 1000th, and stops where the line is not shared (seed 0513fe9e5b)',
      ],
    ],
  ),
  seed(
    '0513fe9e5b',
    'not kept from a line that the host uses',
    {
      file: handler,
      find: "operations.holdIntx(why === undefined ? 'off' : 'on');",
      replace: "operations.holdIntx('off');",
    },
    [
      [
        'test/plugins/interrupts/device/shared-lines.test.ts',
        'is refused where a driver of the host uses the line: INTX_DISABLE stays set, and the guest sees its own bit',
      ],
    ],
  ),
];
