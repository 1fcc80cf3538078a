// SPDX-License-Identifier: MIT

import { bits, defineQuirk, ids, register } from '../index.ts';

/** Bt878 and Bt879 video capture: work-arounds for chipsets that lose bus requests. */
export default defineQuirk({
  name: 'brooktree/bt878',
  source:
    'Bt878 data sheet, device control register: EN_TBFX for the 430FX, EN_VSFX for VIA and SiS; set by the Linux driver ' +
    'bttv. Ids after the names in pci.ids.',
  match: ids('109e', ['036e', '036f']),
  fields: [register(0x40, 8, 'DEVCTRL').writable(bits(2, 1))],
});
