// SPDX-License-Identifier: MIT

import { bits, defineQuirk, ids, register } from '../index.ts';

/**
 * Lets a guest erase and write the ROM beside a uPD720201 or uPD720202. What is written runs in the controller of every
 * later guest and of the host, so it is loaded by name only. The chip itself wants the magic values in DATA0 first.
 */
export default defineQuirk({
  name: 'renesas/upd72020x-rom',
  source:
    'Linux driver xhci-pci-renesas; bits also after the user’s manual, chapter 6, and the program upd72020x-load: the ' +
    'parameters of the part; access, erase, reload; set data 0 and 1.',
  match: ids('1912', ['0014', '0015']),
  fields: [
    register(0xf0, 32, 'ROM_CONFIG').writable(),
    register(0xf6, 8, 'ROM_STATUS').writable(bits(2, 0)).reserved(bits(6, 4)),
    register(0xf7, 8, 'ROM_STATUS set data').writable(bits(1, 0)),
  ],
});
