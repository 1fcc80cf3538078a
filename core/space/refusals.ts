// SPDX-License-Identifier: MIT

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

  /**
   * Where a refused write is noted.
   *
   * @param address virtual address of the device, as in a view
   * @param mask bit pattern of the refused bits
   * @returns for {@link note}; -1: there is no room left
   */
  placeFor(address: number, offset: number, size: number, mask: number): number {
    const words = this.#words;
    const access = (offset << 3) | size;
    for (let at = 0; at < words.length; at += Slot.words) {
      if (words[at + Slot.count] === 0) {
        words[at + Slot.address] = address;
        words[at + Slot.access] = access;
        words[at + Slot.mask] = mask;
        return at;
      }
      const same =
        words[at + Slot.address] === address && words[at + Slot.access] === access && words[at + Slot.mask] === mask;
      if (same) return at;
    }
    return -1;
  }

  /** Counts one more. @param value bit pattern as written; of equal refusals the last is kept */
  note(place: number, value: number): void {
    const words = this.#words;
    words[place + Slot.value] = value;
    words[place + Slot.count] = ((words[place + Slot.count] as number) + 1) & 0x7fffffff || 1;
  }

  /** Whether there is something to take. */
  get any(): boolean {
    return this.#words[Slot.count] !== 0;
  }

  /** Takes all out, in the order in which they were first noted. */
  take(
    each: (address: number, offset: number, size: number, value: number, mask: number, times: number) => void,
  ): void {
    // Asked before each request that needs code, and mostly in vain.
    if (!this.any) return;
    const words = this.#words;
    for (let at = 0; at < words.length; at += Slot.words) {
      const [count = 0, address = 0, access = 0, mask = 0, value = 0] = words.subarray(at, at + Slot.words);
      if (count === 0) return;
      words[at + Slot.count] = 0;
      each(address, access >> 3, access & 7, value, mask, count);
    }
  }
}
