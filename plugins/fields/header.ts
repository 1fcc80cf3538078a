// SPDX-License-Identifier: MIT

import { type FieldSet, header, type Register, register } from '../../core/plugin/index.ts';
import { baseAddress, romAddress } from './bars.ts';
import { command } from './command.ts';
import { fieldPlugin } from './field-plugin.ts';
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

/** Header type 0 (PCI Local Bus 3.0, §6.1). Status, class, subsystem ids and the rest have no field. */
export const endpointHeader: FieldSet = header(
  'header',
  [0],
  [
    ...common,
    register(0x10, 32, 'BAR 0').calls(baseAddress(0)),
    register(0x14, 32, 'BAR 1').calls(baseAddress(1)),
    register(0x18, 32, 'BAR 2').calls(baseAddress(2)),
    register(0x1c, 32, 'BAR 3').calls(baseAddress(3)),
    register(0x20, 32, 'BAR 4').calls(baseAddress(4)),
    register(0x24, 32, 'BAR 5').calls(baseAddress(5)),
    register(0x30, 32, 'expansion ROM').calls(romAddress),
  ],
);

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

export default fieldPlugin('fields/header', endpointHeader, bridgeHeader);
