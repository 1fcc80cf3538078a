// SPDX-License-Identifier: MIT

import type { TakeRefused } from '../../core/platform/index.ts';
import type { RefusedWrite } from '../../core/space/refusal.ts';

/** Distinct refused writes of one guest that a lane can note. */
const SLOTS = 64;
/** Words of a slot. */
const Slot = { count: 0, address: 1, access: 2, mask: 3, value: 4, words: 5 } as const;

/**
 * Writes that a lane has refused, in shared memory: each distinct one (device, offset, size, bits) once, with a count. The
 * lane adds, the control thread takes; both only while they have the guest's page.
 */
export class Refusals {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(4 * SLOTS * Slot.words)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** Whether another one would find no room. */
  get isFull(): boolean {
    return this.#words[this.#words.length - Slot.words + Slot.count] !== 0;
  }

  /** Notes a refused write, or counts one more; of equal ones the last value is kept. @param address as in a view */
  add(address: number, { offset, size, mask, value }: RefusedWrite): void {
    const words = this.#words;
    const access = (offset << 3) | size;
    for (let at = 0; at < words.length; at += Slot.words) {
      const count = words[at + Slot.count] as number;
      const isSame =
        words[at + Slot.address] === address && words[at + Slot.access] === access && words[at + Slot.mask] === mask;
      if (count !== 0 && !isSame) continue;
      words[at + Slot.address] = address;
      words[at + Slot.access] = access;
      words[at + Slot.mask] = mask;
      words[at + Slot.value] = value;
      words[at + Slot.count] = (count + 1) & 0x7fffffff || 1;
      return;
    }
  }

  /** Whether there is something to take. */
  get any(): boolean {
    return this.#words[Slot.count] !== 0;
  }

  /** Takes all out, in the order in which they were first noted. The object is used again for the next. */
  readonly take: TakeRefused = (each) => {
    const words = this.#words;
    const write = { offset: 0, size: 0, value: 0, mask: 0, times: 0 };
    // Asked before each request that needs code, and mostly in vain.
    for (let at = 0; at < words.length && words[at + Slot.count] !== 0; at += Slot.words) {
      const access = words[at + Slot.access] as number;
      write.offset = access >> 3;
      write.size = access & 7;
      write.value = words[at + Slot.value] as number;
      write.mask = words[at + Slot.mask] as number;
      write.times = words[at + Slot.count] as number;
      words[at + Slot.count] = 0;
      each(words[at + Slot.address] as number, write);
    }
  };
}
