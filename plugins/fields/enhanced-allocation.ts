// SPDX-License-Identifier: MIT

import { bits, capability, type FieldSet, type PciFunction, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

const ENHANCED_ALLOCATION = 0x14;
/** End of the list at 0x34, and the lowest place in it. */
const [END, FIRST] = [0x100, 0x40];
const MOST = (END - FIRST) / 4 - 1;

const isEndpoint = ({ identity }: PciFunction): boolean => identity.headerType === 0;

/** Dwords of all entries together: bits 2:0 of each entry's first say how many follow it. */
const dwords = (device: PciFunction, base: number): number => {
  let at = base + 4;
  for (let left = device.readConfig(base + 2, 1) & bits(5, 0); left > 0 && at < END; left--) {
    at += 4 * ((device.readConfig(at, 4) & bits(2, 0)) + 1);
  }
  return (Math.min(at, END) - base) / 4 - 1;
};

/**
 * Enhanced allocation, id 0x14 (PCI Express 5.0, §7.8): addresses that cannot be moved, in place of BARs. They are the
 * host's and a guest uses them as they are; none of it can be written, in permissive mode neither.
 */
export const enhancedAllocation: FieldSet = capability(
  ENHANCED_ALLOCATION,
  'enhanced allocation',
  [register(0x02, 8, 'entries').readOnly()],
  { when: isEndpoint },
);

/** The entries, dword by dword: each is as long as it says. */
export const allocations: readonly FieldSet[] = Array.from({ length: MOST }, (_, index) =>
  capability(ENHANCED_ALLOCATION, `allocation ${index}`, [register(4 + 4 * index, 32, 'entry').readOnly()], {
    when: (device, base) => isEndpoint(device) && index < dwords(device, base),
  }),
);

export default fieldPlugin('fields/enhanced-allocation', enhancedAllocation, ...allocations);
