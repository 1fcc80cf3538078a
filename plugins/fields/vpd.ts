// SPDX-License-Identifier: MIT

import { type Behaviour, bit, capability, type FieldSet, register, Status } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/** Set by the guest: write the data word to the device. Set by the device: a read has finished. */
const FLAG = bit(15);

const address: Behaviour = {
  about: { write: 'starts a read; a write of vital product data (bit 15) is refused' },
  write: (at, value) => {
    if ((value & FLAG) !== 0) {
      at.deny(FLAG, 'vital product data is read-only');
      return Status.accessDenied;
    }
    at.write(value);
    return Status.success;
  },
};

/** Vital product data capability, id 0x03 (PCI Local Bus 3.0, appendix I): readable, never written. */
export const vitalProductData: FieldSet = capability(0x03, 'vpd', [
  register(0x02, 16, 'address').calls(address),
  register(0x04, 32, 'data').readOnly(),
]);

export default fieldPlugin('fields/vpd', vitalProductData);
