// SPDX-License-Identifier: MIT

import { capability, type FieldSet, type PciFunction, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

const SATA = 0x12;
/** Of bits 3:0 of the location: index and data lie behind it, not behind a BAR. */
const BEHIND = 0xf;

const isWindowHere = (device: PciFunction, base: number): boolean => (device.readConfig(base + 4, 4) & 0xf) === BEHIND;

/** SATA capability, id 0x12 (AHCI 1.3.1, §2.4): where index and data are. */
export const sata: FieldSet = capability(SATA, 'sata', [
  register(0x02, 8, 'revision').readOnly(),
  register(0x04, 32, 'location').readOnly(),
]);

/**
 * Index and data in config space: a window on the registers behind the function's own BAR. The index only chooses what data
 * shows; data is not written here, a driver does that through the BAR.
 */
export const sataWindow: FieldSet = capability(
  SATA,
  'sata window',
  [register(0x08, 32, 'index').writable(), register(0x0c, 32, 'data').readOnly()],
  { when: isWindowHere },
);

export default fieldPlugin('fields/sata', sata, sataWindow);
