// SPDX-License-Identifier: MIT

import { defineQuirk, ids, relink } from '../index.ts';

/** I219-LM (18): firmware leaves the advanced-features capability, and so the function-level reset, out of the list. */
export default defineQuirk({
  name: 'intel/i219',
  source:
    'Qubes OS kernel patch “PCI: add a reset quirk for Intel I219LM”: the list ends with MSI at 0xD0 though 0xE0 holds ' +
    'id 0x13. Linked again for the guest only, so no reset can undo it; left alone where 0xE0 is something else.',
  match: ids('8086', ['550a']),
  surgery: [relink(0x13, 0xe0)],
});
