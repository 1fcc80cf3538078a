// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import type { FieldSet } from '../../core/space/declaration.ts';
import { type CapabilitySettings, capabilityView, observeBits, placeOf, readOnlyBits } from './capability-view.ts';

/** Bytes from the capability, and how many. */
export type Place = readonly [offset: number, size: 1 | 2 | 4];

/** A byte of hardware that tells where it is read from. */
const contentAt = (offset: number): number => (0x5a ^ (offset * 0x1d)) & 0xff;

/**
 * Tests of registers that belong to the host: a guest reads what hardware has, by every access there is, and none of its writes
 * reaches hardware, by bits, and in permissive mode with every aligned access to every byte.
 *
 * @param places every register, as the specification has them
 */
export const testClosed = (sets: readonly FieldSet[], settings: CapabilitySettings, places: readonly Place[]): void => {
  const at = placeOf(settings.list);
  const bytes = places.flatMap(([offset, size]) => Array.from({ length: size }, (_, index) => offset + index));
  /** What tells the form of the capability stays as it is. */
  const told = new Set(
    (settings.body ?? []).flatMap(([offset, size]) => Array.from({ length: size }, (_, index) => offset + index)),
  );
  const viewWith = (permissive: boolean) => {
    const guest = capabilityView(sets, { ...settings, prepare: (device) => (device.permissive = permissive) });
    for (const offset of bytes.filter((one) => !told.has(one))) guest.hardware.put(at + offset, 1, contentAt(offset));
    return guest;
  };

  it.each(places.filter(([offset]) => !told.has(offset)))('0x%x, %i bytes: read-only, each bit', (offset, size) => {
    expect(observeBits(sets, settings, offset, size)).toEqual(readOnlyBits(size));
  });

  it('shows what hardware has, in accesses of 1, 2 and 4 bytes', () => {
    const guest = viewWith(false);
    for (const size of [1, 2, 4] as const) {
      for (const offset of bytes.filter((one) => one % size === 0)) {
        expect(guest.read(at + offset, size)).toBe(guest.hardware.get(at + offset, size));
      }
    }
  });

  it.each([false, true])('lets no write through, permissive: %s', (permissive) => {
    const guest = viewWith(permissive);
    const claimed = new Set(bytes);
    for (const size of [1, 2, 4] as const) {
      for (const offset of bytes.filter((one) => one % size === 0)) {
        const before = guest.hardware.get(at + offset, size);
        guest.write(at + offset, size, (before ^ (2 ** (8 * size) - 1)) >>> 0);
      }
    }
    const reached = guest.hardware.writes.flatMap(([offset, size]) =>
      Array.from({ length: size }, (_, index) => offset - at + index),
    );
    expect(reached.filter((offset) => claimed.has(offset))).toEqual([]);
    expect(guest.refused.length).toBeGreaterThan(0);
    expect(guest.skipped).toEqual([]);
  });
};
