// SPDX-License-Identifier: MIT

import { bit, bits, clearOnly, type DeviceMatch, defineQuirk, header, register } from '../index.ts';

const audio = (vendor: number): DeviceMatch => ({ vendor, class: { value: 0x040300, mask: 0xffff00 } });

/** High Definition Audio of chipsets: traffic class 0, and no-snoop as the driver manages its buffers. */
export default defineQuirk({
  name: 'intel/hda',
  source:
    'Linux driver hda_intel: clears TCSEL, bits 2:0 of 0x44 (Intel, VIA, SiS, ULi), so that the stream’s traffic class is ' +
    '0; on Intel sets or clears NOSNOOP, bit 11 of 0x78.',
  match: [audio(0x8086), audio(0x1106), audio(0x1039), audio(0x10b9)],
  fields: [
    register(0x44, 8, 'TCSEL').calls(clearOnly('the traffic class can only be set to 0'), bits(2, 0)),
    header('snoop', [0], [register(0x78, 16, 'DEVC').writable(bit(11))], {
      when: ({ identity }) => identity.vendor === 0x8086,
      // Where the set of PCI Express has the bit, the guest has a value of its own.
      yields: true,
    }),
  ],
});
