// SPDX-License-Identifier: MIT

import { bit, defineQuirk, register } from '../index.ts';

/** ASMedia USB 3 controllers: commands to the chip, among them one that mends flow control. */
export default defineQuirk({
  name: 'asmedia/xhci',
  source: 'Linux USB quirks: two words of data at 0xF8 and 0xFC, then bit 1 of 0xE0 hands them over.',
  match: [{ vendor: 0x1b21, class: { value: 0x0c0330, mask: 0xffffff } }],
  fields: [
    register(0xe0, 8, 'CONTROL').writable(bit(1)),
    register(0xf8, 32, 'DATA0').writable(),
    register(0xfc, 32, 'DATA1').writable(),
  ],
});
