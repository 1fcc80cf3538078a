// SPDX-License-Identifier: MIT

import { bits, defineQuirk, ids, register } from 'pciback/quirk';

export default defineQuirk({
  name: 'acme/thing',
  source: 'ACME 1234 data sheet, section 7.2', // where the facts come from: a data sheet, an erratum, a driver
  match: ids('1234', ['5678']), // as `lspci -n` prints them
  fields: [
    register(0xe8, 16, 'device control').writable(bits(3, 0)), // what is not opened, a guest can only read
    register(0xec, 32, 'mailbox').writable(),
  ],
});
