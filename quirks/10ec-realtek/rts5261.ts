// SPDX-License-Identifier: MIT

import { defineQuirk, ids, register } from '../index.ts';

/** RTS5261 card reader: settings of the board. */
export default defineQuirk({
  name: 'realtek/rts5261',
  source: 'Linux driver rts5261: PCR_SETTING_REG2 at 0x814, in extended config space.',
  match: ids('10ec', ['5261']),
  fields: [register(0x814, 32, 'PCR_SETTING_REG2').writable()],
});
