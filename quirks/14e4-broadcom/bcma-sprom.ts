// SPDX-License-Identifier: MIT

import { bit, defineQuirk, register } from '../index.ts';

/** Lets a guest write the SPROM of a 43xx chip. What is written outlives the guest, so it is loaded by name only. */
export default defineQuirk({
  name: 'broadcom/bcma-sprom',
  source: 'Linux drivers bcma and ssb (bcma_regs.h): write enable, bit 4 of SPROMCTL, set only to write a new SPROM.',
  match: [{ vendor: 0x14e4, devices: { from: 0x4300, to: 0x43ff } }],
  fields: [register(0x88, 32, 'SPROMCTL write enable').writable(bit(4))],
});
