// SPDX-License-Identifier: MIT

import { defineQuirk, ids, limitConfigSize } from '../index.ts';

/** Citrine SCSI adapters: a read beyond the first 160 bytes of config space hangs the machine. */
export default defineQuirk({
  name: 'ibm/citrine',
  source: 'Linux PCI quirks limit the config space of this device to 0xA0 bytes.',
  match: ids('1014', ['028c']),
  surgery: [limitConfigSize(0xa0)],
});
