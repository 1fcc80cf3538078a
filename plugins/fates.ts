// SPDX-License-Identifier: MIT

import { hex } from '../core/bdf.ts';
import type { RecordedAccess } from '../core/space/recorder.ts';

/** What a policy does with a bit that is written. */
const effects = {
  readOnly: 'refused: read-only',
  writable: 'to hardware',
  clearedByOne: 'ones to hardware',
  emulated: "the guest's own",
  shown: 'refused: fixed',
  reserved: 'ignored',
  function: 'by code',
} as const;

/** Who owns bits of a dword, and what becomes of them. */
export interface Claim {
  readonly mask: number;
  readonly policy: keyof typeof effects;
  readonly owner: string;
}

/** Whoever knows that: a device's config space. */
export interface Claims {
  claimsOf(offset: number, mask: number): readonly Claim[];
}

/** A write, and how often it was made. */
type Write = Pick<RecordedAccess, 'offset' | 'size' | 'value' | 'status' | 'denied'> & { times: number };

/**
 * The writes of a session: each distinct one once, with who got which bits of it.
 *
 * @param accesses as a recorder has them
 * @returns several lines each
 */
export const fatesOf = (accesses: readonly RecordedAccess[], space: Claims): readonly string[] => {
  const seen = new Map<string, Write>();
  for (const { kind, offset, size, value, status, denied } of accesses) {
    if (kind !== 'write') continue;
    const key = `${offset} ${size} ${value} ${denied} ${status}`;
    const before = seen.get(key);
    if (before !== undefined) before.times += 1;
    else seen.set(key, { offset, size, value, status, denied, times: 1 });
  }
  return [...seen.values()].map((one) => fateOf(one, space));
};

/** One write, and who got which bits of it. @returns several lines */
export const fateOf = ({ offset, size, value, status, denied, times }: Write, space: Claims): string => {
  const whole = size === 4 ? 0xffffffff : 2 ** (8 * size) - 1;
  const shift = 8 * (offset & 3);
  /** What becomes of bits, by its words: registers that say the same are one line. */
  const parts = new Map<string, number>();
  let open = whole;
  for (const { mask, policy, owner } of space.claimsOf(offset, whole)) {
    const bits = ((mask >>> shift) & whole) >>> 0;
    if (bits === 0) continue;
    open = (open & ~bits) >>> 0;
    const words = `${effects[policy]} (${owner})`;
    parts.set(words, ((parts.get(words) ?? 0) | bits) >>> 0);
  }
  if (open !== 0) parts.set('dropped: no field', open);
  const refused = denied === 0 ? '' : `, refused ${hex(denied, 2 * size)}`;
  const failed = status === 0 ? '' : `, status ${status}`;
  const count = times === 1 ? '' : ` ${times}x`;
  const lines = [...parts].map(([words, bits]) => `\n      ${hex(bits, 2 * size)} ${words}`);
  return `0x${hex(offset, 3)}:${size} = ${hex(value, 2 * size)}${count}${refused}${failed}${lines.join('')}`;
};

/** How often each register was read. */
export const readsOf = (accesses: readonly RecordedAccess[]): string => {
  const counts = new Map<string, number>();
  for (const { kind, offset, size } of accesses) {
    if (kind !== 'read') continue;
    const place = `0x${hex(offset, 1)}:${size}`;
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  return [...counts].map(([place, count]) => `${place} ${count}x`).join(' ');
};
