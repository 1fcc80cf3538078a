// SPDX-License-Identifier: MIT

import { bits, defineQuirk, ids, onlyValues, register } from '../index.ts';

/** High Definition Audio of the SB450 and SBx00 chipsets: snooping on. */
export default defineQuirk({
  name: 'amd/hda',
  source:
    'Linux driver hda_intel: bits 2:0 of 0x42 become 0x02 on south bridges of ATI. Ids after the names in pci.ids.',
  match: ids('1002', ['437b', '4383']),
  fields: [register(0x42, 8, 'MISC_CNTR2').calls(onlyValues([0x02], 'snooping can only be switched on'), bits(2, 0))],
});
