// SPDX-License-Identifier: MIT

import { defineQuirk, ids, limitConfigSize } from '../index.ts';

/** NFP-4000, 5000 and 6000 network processors: the bus locks up on reads beyond 0x600. */
export default defineQuirk({
  name: 'netronome/nfp',
  source: 'Linux PCI quirks limit the config space of these devices, virtual functions (6003) too, to 0x600 bytes.',
  match: ids('19ee', ['4000', '5000', '6000', '6003']),
  surgery: [limitConfigSize(0x600)],
});
