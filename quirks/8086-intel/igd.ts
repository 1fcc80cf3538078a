// SPDX-License-Identifier: MIT

import { defineQuirk, header, register } from '../index.ts';

/** Graphics inside the processor: the addresses of OpRegion and stolen memory are the guest's own to change. */
export default defineQuirk({
  name: 'intel/igd',
  source:
    'QEMU’s pass-through of IGD (vfio and xen_pt): the guest’s firmware writes ASLS (address of the three pages of ' +
    'OpRegion), GMCH control and BDSM (base of stolen memory); hardware keeps the host’s. They show the host’s at first.',
  match: [{ vendor: 0x8086, class: { value: 0x030000, mask: 0xffff00 }, function: 0 }],
  fields: [
    header(
      'igd',
      [0],
      [
        register(0x50, 16, 'GMCH').emulated(),
        register(0x5c, 32, 'BDSM').emulated(),
        register(0xfc, 32, 'ASLS').emulated(),
      ],
      // The one of the processor is always 00:02.0; cards of the same vendor and class lie behind a bridge.
      { when: ({ identity }) => (identity.bdf & 0xffff) === 0x0010 },
    ),
  ],
});
