// SPDX-License-Identifier: MIT

import { bit, type DeviceMatch, defineQuirk, type FieldSet, header, onlyValues, register } from '../index.ts';

const OTHER = 'the driver splits the ports in one way only';

/** Bits of 0x40 that the driver clears before it sets its own. */
const CLEARED = 0x00cff302;
const PORTS = bit(24);

/** The one split of some chips, as what the driver sets. */
const split = (name: string, devices: readonly number[], ports: number, second: number): FieldSet =>
  header(
    name,
    [0],
    [
      register(0x40, 32, 'CONF1').calls(onlyValues([ports], OTHER), (CLEARED | ports) >>> 0),
      register(0x80, 32, 'CONF5').calls(onlyValues([second], OTHER), PORTS),
    ],
    { when: ({ identity }) => devices.includes(identity.device) },
  );

const match: DeviceMatch = { vendor: 0x197b, devices: { from: 0x2360, to: 0x2369 }, function: 0 };

/** JMB36x: which ports are AHCI's, on function 0, and which are IDE's, on function 1. */
export default defineQuirk({
  name: 'jmicron/ata',
  source:
    'Linux PCI quirks for JMicron ATA, which run in a guest too: in CONF1 at 0x40 the bits 0x00CFF302 are cleared and ' +
    'those of the chip are set; bit 24 of CONF5 at 0x80 is set on JMB365 and 366 and cleared on the others.',
  match: [match],
  fields: [
    split('ahci', [0x2360, 0x2362, 0x2364], 0x0002a100, 0),
    split('ahci and ide', [0x2361, 0x2363, 0x2369], 0x00c2a1b3, 0),
    split('ahci and ide, second channel', [0x2365, 0x2366], 0x00c2a1b3, PORTS),
    split('ide', [0x2368], 0x00c00000, 0),
  ],
});
