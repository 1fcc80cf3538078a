// SPDX-License-Identifier: MIT

import type { FieldSet } from '../../core/space/declaration.ts';
import { FakeDevice, FakeFunction, type ImagePart } from './fake-function.ts';
import { type GuestView, viewOf } from './guest-view.ts';

export interface CapabilitySettings {
  readonly list: 'standard' | 'extended';
  readonly id: number;
  /** Content behind the header; offsets count from the capability. */
  readonly body?: readonly ImagePart[];
  readonly prepare?: (device: FakeDevice) => void;
}

/** Where the capability lies. */
export const placeOf = (list: 'standard' | 'extended'): number => (list === 'standard' ? 0x40 : 0x100);

/** What a guest sees of a device with one capability; without a rule of its own the device takes every write. */
export const capabilityView = (sets: readonly FieldSet[], settings: CapabilitySettings): GuestView => {
  const { list, id, body = [], prepare } = settings;
  const at = placeOf(list);
  const headers: readonly ImagePart[] =
    list === 'standard'
      ? [
          [0x06, 2, 0x0010],
          [0x34, 1, at],
          [at, 2, id],
        ]
      : [[at, 4, (1 << 16) | id]];
  const image = [...headers, ...body.map(([offset, size, value]): ImagePart => [at + offset, size, value])];
  const device = new FakeDevice(new FakeFunction({ image }));
  prepare?.(device);
  return viewOf(device, sets);
};

/** What single-bit writes to a register did, as masks. */
export interface ObservedBits {
  /** Changed in hardware. */
  readonly hardware: number;
  /** Changed for the guest and not in hardware. */
  readonly own: number;
  /** Refused and recorded. */
  readonly refused: number;
  /** Nothing, and no record. */
  readonly ignored: number;
  /** Differ from hardware before any write. */
  readonly differs: number;
}

/**
 * Tries every bit of a register by writing its complement, each on a fresh device, with all bits zero and with all bits
 * one in hardware. A bit counts when it does the same both times, or when it can be cleared only (write-1-to-clear bits of
 * a device show by their writes, not by what becomes of them).
 *
 * @param offset from the capability
 */
export const observeBits = (
  sets: readonly FieldSet[],
  settings: CapabilitySettings,
  offset: number,
  size: 1 | 2 | 4,
): ObservedBits => {
  const all = 2 ** (8 * size) - 1;
  const at = placeOf(settings.list) + offset;
  const seen = { hardware: 0, own: 0, refused: 0, ignored: 0, differs: 0 };
  for (const content of [0, all]) {
    const body: readonly ImagePart[] = [...(settings.body ?? []), [offset, size, content]];
    for (let i = 0; i < 8 * size; i++) {
      const guest = capabilityView(sets, { ...settings, body });
      const bit = 2 ** i;
      const before = guest.read(at, size);
      seen.differs |= (before ^ content) & bit;
      guest.write(at, size, (before ^ bit) >>> 0);
      const hardware = (guest.hardware.get(at, size) ^ content) & bit;
      const own = (guest.read(at, size) ^ before) & bit & ~hardware;
      const refused = guest.refused.reduce((mask, one) => mask | one.mask, 0) & bit;
      seen.hardware |= hardware;
      seen.own |= own;
      seen.refused |= refused;
      if ((hardware | own | refused) === 0) seen.ignored |= bit;
    }
  }
  return {
    hardware: seen.hardware >>> 0,
    own: seen.own >>> 0,
    refused: seen.refused >>> 0,
    ignored: seen.ignored >>> 0,
    differs: seen.differs >>> 0,
  };
};

/** A register of which every write is refused and every bit shown as hardware has it. */
export const readOnlyBits = (size: 1 | 2 | 4): ObservedBits => ({
  hardware: 0,
  own: 0,
  refused: 2 ** (8 * size) - 1,
  ignored: 0,
  differs: 0,
});
