// SPDX-License-Identifier: MIT

import { bit, bits, clearOnly, defineQuirk, header, register } from '../index.ts';

const NO_SMI = 'a guest cannot have SMI raised';
const FIRMWARE = 'a guest cannot give the controller back to the firmware';

/** USB 2.0 host controllers: the guest takes the controller from the firmware. */
export default defineQuirk({
  name: 'intel/ehci',
  source:
    'EHCI 1.0, §2.1.7 and §2.1.8, and the Linux USB hand-off; place after the Intel ICH4 and 6-series data sheets ' +
    '(LEG_EXT_CAP at 0x68). Other vendors have it where a register in memory says.',
  match: [{ vendor: 0x8086, class: { value: 0x0c0320, mask: 0xffffff } }],
  fields: [
    header(
      'legacy support',
      [0],
      [
        register(0x6a, 8, 'firmware owns').calls(clearOnly(FIRMWARE), bit(0)),
        register(0x6b, 8, 'system owns').writable(bit(0)),
        register(0x6c, 16, 'SMI enables').calls(clearOnly(NO_SMI), 0xe03f),
        register(0x6e, 16, 'SMI status').clearedByOne(bits(15, 13)).reserved(bits(5, 0)),
      ],
      { when: (device) => device.readConfig(0x68, 1) === 0x01 },
    ),
  ],
});
