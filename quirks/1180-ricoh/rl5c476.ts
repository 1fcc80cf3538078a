// SPDX-License-Identifier: MIT

import { bit, defineQuirk, lock, register } from '../index.ts';

const keys = lock({ value: 0xaa }, { value: 0xb7 });

/**
 * RL5C476 CardBus bridge with card readers beside it: the MMC function is switched off through the bridge. Its header
 * is of type 2, which no platform seizes today; the facts are ready for one that does.
 */
export default defineQuirk({
  name: 'ricoh/rl5c476',
  source: 'Linux PCI quirks for Ricoh RL5C476: 0xAA into 0x8E, 0xB7 into 0x8D, bit 1 of 0xB7, both as they were.',
  match: [{ vendor: 0x1180, device: 0x0476, function: 0 }],
  fields: [
    register(0x8d, 8, 'target').calls(keys.key(1)),
    register(0x8e, 8, 'key').calls(keys.key(0)),
    register(0xb7, 8, 'MMC off').calls(keys.opens([bit(1)]), bit(1)),
  ],
});
