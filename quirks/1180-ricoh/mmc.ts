// SPDX-License-Identifier: MIT

import { bit, type DeviceMatch, defineQuirk, lock, register } from '../index.ts';

const functionZero = (device: number): DeviceMatch => ({ vendor: 0x1180, device, function: 0 });
const key = lock({ value: 0x57 });

/** Card readers with a FireWire function: the MMC function is switched off, so that the SD function takes MMC cards. */
export default defineQuirk({
  name: 'ricoh/mmc',
  source: 'Linux PCI quirks for Ricoh R5C832 and R5CE82x: 0x57 into 0xCA, bit 1 of 0xCB, 0xCA as it was.',
  match: [functionZero(0x0832), functionZero(0xe822), functionZero(0xe823)],
  fields: [register(0xca, 8, 'key').calls(key.key()), register(0xcb, 8, 'MMC off').calls(key.opens([bit(1)]), bit(1))],
});
