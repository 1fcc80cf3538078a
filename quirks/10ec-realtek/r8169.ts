// SPDX-License-Identifier: MIT

import { defineQuirk, ids, onlyValues, register } from '../index.ts';

/** RTL8111/8168: how long the link takes to leave L0s and L1. */
export default defineQuirk({
  name: 'realtek/r8169',
  source:
    'Linux driver r8169 writes 0x27 or 0x2F to 0x70F. It has another way to the register, but takes it only when the ' +
    'write answers an error, and a back end that drops the write answers success.',
  match: ids('10ec', ['8168']),
  fields: [
    register(0x70f, 8, 'L0s/L1 latency').calls(onlyValues([0x27, 0x2f], 'the driver writes 0x27 and 0x2f only')),
  ],
});
