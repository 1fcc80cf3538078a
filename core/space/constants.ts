// SPDX-License-Identifier: MIT

import { CapabilityId, type CapabilityLists } from './capabilities.ts';

/** Bits of one aligned dword. */
export interface DwordBits {
  readonly dword: number;
  /** Signed 32-bit pattern. */
  readonly mask: number;
}

const bytes = (offset: number, count: number): DwordBits => ({
  dword: offset & ~3,
  mask: (count >= 4 ? -1 : (1 << (8 * count)) - 1) << ((offset & 3) << 3),
});

/** Read-only registers of capabilities: offset from the capability, bytes. */
const inCapability: Readonly<Record<number, readonly (readonly [offset: number, bytes: number])[]>> = {
  /** PCI Bus Power Management 1.2, §3.2.3. */
  [CapabilityId.powerManagement]: [[2, 2]],
  /**
   * PCI Express Base, §7.5.3: capabilities, device and link capabilities. Device capabilities 2 is missing on purpose:
   * there are devices that let drivers write it.
   */
  [CapabilityId.pcie]: [
    [2, 2],
    [4, 4],
    [0x0c, 4],
  ],
  /** PCI Local Bus 3.0, §6.8.2: where the table and the pending bits are. */
  [CapabilityId.msix]: [
    [4, 4],
    [8, 4],
  ],
};

/**
 * What a function cannot change while a guest has it, by the PCI specifications: class and revision, header type,
 * subsystem ids, the capability lists and the read-only registers of common capabilities. Hardware is asked for these
 * once; a guest reads them in every scan.
 *
 * @param lists recorded at seizing
 * @param size bytes of config space that the guest sees
 */
export const constantBits = (headerType: number, lists: CapabilityLists, size: number): DwordBits[] => {
  const found = [bytes(0x00, 4), bytes(0x08, 4), bytes(0x0e, 1), bytes(0x34, 1)];
  if (headerType === 0) found.push(bytes(0x2c, 4), bytes(0x3e, 2));
  for (const { id, offset } of lists.standard) {
    found.push(bytes(offset, 2));
    for (const [from, count] of inCapability[id] ?? []) found.push(bytes(offset + from, count));
  }
  for (const { offset } of lists.extended) found.push(bytes(offset, 4));
  return found.filter(({ dword }) => dword + 4 <= size);
};
