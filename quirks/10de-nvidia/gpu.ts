// SPDX-License-Identifier: MIT

import { bit, defineQuirk, register } from '../index.ts';

/** GeForce and Quadro from GT218 on: switches the audio function beside the graphics on. */
export default defineQuirk({
  name: 'nvidia/gpu',
  source: 'Linux PCI quirks: bit 25 of 0x488, on devices of the display class from id 08A0 on.',
  match: [{ vendor: 0x10de, devices: { from: 0x08a0, to: 0xffff }, class: { value: 0x030000, mask: 0xff0000 } }],
  fields: [register(0x488, 32, 'audio function').writable(bit(25))],
});
