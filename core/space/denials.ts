// SPDX-License-Identifier: MIT

import type { Bdf } from '../bdf.ts';
import type { Refusal } from './refusal.ts';

/** A write of a guest that did not do everything it asked for. */
export interface Denial {
  readonly bdf: Bdf;
  readonly guest: number;
  readonly offset: number;
  readonly size: number;
  /** The value as written, `size` bytes. */
  readonly value: number;
  /** Bits of `value` that were refused. */
  readonly mask: number;
  /** Plugin, set and register that own the bits, or the policy for bits without a field. */
  readonly owner: string;
  /** The rule. */
  readonly why: string;
  readonly count: number;
}

/**
 * The refused writes of one guest: distinct ones (device, offset, size, bits, rule) with a count and the last value.
 *
 * Bounded: when the record is full, further distinct refusals are only counted. A refusal that is in the record
 * already costs no allocation.
 */
export class DenialRecord {
  /** Distinct refusals that found no place any more. */
  overflow = 0;
  /** Refused writes in all. */
  total = 0;
  readonly #guest: number;
  readonly #capacity: number;
  readonly #entries: { -readonly [Key in keyof Denial]: Denial[Key] }[] = [];
  /** Bit patterns of each entry's refused bits, and of the value that was written last. */
  readonly #masks: Int32Array;
  readonly #values: Int32Array;
  /** Index of the first entry of each hash bucket, and of the next one per entry; -1 ends a chain. */
  readonly #buckets: Int32Array;
  readonly #next: Int32Array;

  constructor(guest: number, capacity = 256) {
    this.#guest = guest;
    this.#capacity = capacity;
    this.#masks = new Int32Array(capacity);
    this.#values = new Int32Array(capacity);
    this.#buckets = new Int32Array(512).fill(-1);
    this.#next = new Int32Array(capacity).fill(-1);
  }

  /** Records one refusal. @returns the entry when it is new */
  record(device: Bdf, refusal: Refusal): Denial | undefined {
    const { offset, size, value, mask, why, times } = refusal;
    this.total += times;
    const bucket = (Math.imul(device ^ (offset << 3) ^ size, 0x9e3779b1) ^ mask) & 511;
    for (let index = this.#buckets[bucket] ?? -1; index >= 0; index = this.#next[index] ?? -1) {
      const entry = this.#entries[index];
      if (
        entry !== undefined &&
        entry.bdf === device &&
        entry.offset === offset &&
        entry.size === size &&
        this.#masks[index] === mask &&
        entry.why === why
      ) {
        entry.count += times;
        this.#values[index] = value;
        return undefined;
      }
    }
    if (this.#entries.length >= this.#capacity) {
      this.overflow += times;
      return undefined;
    }
    const entry = {
      bdf: device,
      guest: this.#guest,
      offset,
      size,
      value: value >>> 0,
      mask: mask >>> 0,
      owner: refusal.owner,
      why,
      count: times,
    };
    const index = this.#entries.push(entry) - 1;
    this.#masks[index] = mask;
    this.#values[index] = value;
    this.#next[index] = this.#buckets[bucket] ?? -1;
    this.#buckets[bucket] = index;
    return entry;
  }

  /** Copies, in the order of first occurrence. */
  list(): Denial[] {
    return this.#entries.map((entry, index) => ({ ...entry, value: (this.#values[index] ?? 0) >>> 0 }));
  }
}
