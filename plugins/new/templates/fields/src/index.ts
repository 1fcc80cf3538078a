// SPDX-License-Identifier: MIT

import { bit, bits, capability, definePlugin, type FieldSet, register } from 'pciback/plugin';

/** A capability that pciback's own fields do not know, of every device that has it. Offsets count from the capability. */
const fields: FieldSet = capability(0x7f, 'thing', [
  register(0x02, 8, 'length').readOnly(),
  register(0x04, 16, 'control').writable(bits(3, 0)).readOnly(), // the other bits show hardware
  register(0x06, 16, 'status').clearedByOne(bit(15)).readOnly(),
]);

export default definePlugin({
  name: 'pciback-acme-thing',
  version: '0.1.0',
  api: '^1.1',
  apply: (host) => {
    host.fields.add(fields);
  },
});
