// SPDX-License-Identifier: MIT

import { bit, bits, defineQuirk, onlyValues, register } from '../index.ts';

const ON = 'coherence can only be switched on';

/** High Definition Audio of nForce chipsets and graphics cards: coherent streams. */
export default defineQuirk({
  name: 'nvidia/hda',
  source: 'Linux driver hda_intel: bits 3:0 of 0x4E become 0x0F, bit 0 of 0x4D and of 0x4C becomes 1.',
  match: [{ vendor: 0x10de, class: { value: 0x040300, mask: 0xffff00 } }],
  fields: [
    register(0x4c, 8, 'output streams').calls(onlyValues([0x01], ON), bit(0)),
    register(0x4d, 8, 'input streams').calls(onlyValues([0x01], ON), bit(0)),
    register(0x4e, 8, 'transport').calls(onlyValues([0x0f], ON), bits(3, 0)),
  ],
});
