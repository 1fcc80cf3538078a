// SPDX-License-Identifier: MIT

import { definePlugin, type FieldSet, header, type Register, register } from '../../core/plugin/index.ts';
import { type DeviceTest, noDevice } from '../device-test.ts';
import { baseAddress, romAddress, switchedRom } from './bars.ts';
import { command } from './command.ts';
import { selfTest } from './self-test.ts';

/** What header types 0 and 1 have in common. A virtual function reads 0xffff as its ids: the host's are shown. */
const common: readonly Register[] = [
  register(0x00, 16, 'vendor id').shows(({ identity }) => identity.vendor),
  register(0x02, 16, 'device id').shows(({ identity }) => identity.device),
  register(0x04, 16, 'command').calls(command),
  register(0x0c, 8, 'cache line size').writable(),
  register(0x0d, 8, 'latency timer').readOnly(),
  register(0x0f, 8, 'BIST').calls(selfTest),
  register(0x3c, 8, 'interrupt line').shows(({ line }) => line & 0xff), //  the recorded one, also under MSI (D-C15)
  register(0x3d, 8, 'interrupt pin').readOnly(),
];

const bars: readonly Register[] = [
  register(0x10, 32, 'BAR 0').calls(baseAddress(0)),
  register(0x14, 32, 'BAR 1').calls(baseAddress(1)),
  register(0x18, 32, 'BAR 2').calls(baseAddress(2)),
  register(0x1c, 32, 'BAR 3').calls(baseAddress(3)),
  register(0x20, 32, 'BAR 4').calls(baseAddress(4)),
  register(0x24, 32, 'BAR 5').calls(baseAddress(5)),
];
const rom = register(0x30, 32, 'expansion ROM');

/** Header type 0 (PCI Local Bus 3.0, §6.1). Status, class, subsystem ids and the rest have no field. */
export const endpointHeader: FieldSet = header('header', [0], [...common, ...bars, rom.calls(romAddress)]);

/** The same in forms: for devices whose guests may switch the ROM, which an operator has named, and for the others. */
const endpointHeaders = (switches: DeviceTest): readonly FieldSet[] => {
  if (switches === noDevice) return [endpointHeader];
  return [
    header('header', [0], [...common, ...bars]),
    header('ROM', [0], [rom.calls(romAddress)], { when: ({ identity }) => !switches(identity) }),
    header('switched ROM', [0], [rom.calls(switchedRom)], { when: ({ identity }) => switches(identity) }),
  ];
};

/** Header type 1 (PCI-to-PCI Bridge 1.2, §3.2). Bus numbers, windows and bridge control have no field. */
export const bridgeHeader: FieldSet = header(
  'bridge header',
  [1],
  [
    ...common,
    register(0x10, 32, 'BAR 0').calls(baseAddress(0)),
    register(0x14, 32, 'BAR 1').calls(baseAddress(1)),
    register(0x38, 32, 'expansion ROM').calls(romAddress),
  ],
);

const loadSchema = async () => {
  const { headerOptions } = await import('./header-options.ts');
  return headerOptions;
};

export default definePlugin({
  name: 'fields/header',
  api: '^1.0',
  options: {
    defaults: { rom: noDevice },
    schema: loadSchema,
  },
  apply: (host, { rom: switches }) => {
    host.fields.add(...endpointHeaders(switches), bridgeHeader);
  },
});
