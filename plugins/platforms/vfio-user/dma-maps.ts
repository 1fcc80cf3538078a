// SPDX-License-Identifier: MIT

import { Refusal } from './messages.ts';

/** Most pieces of memory that one client may name. A machine has some tens of memory slots. */
export const MAX_MAPS = 1024;

/** The memory that a client would let its device reach. Nothing here reaches it: what is kept are addresses and sizes. */
export class DmaMaps {
  readonly #maps = new Map<number, number>();

  get count(): number {
    return this.#maps.size;
  }

  /** @returns 0, or the error number that the client is answered */
  map(address: number, size: number): number {
    if (address < 0 || size <= 0) return Refusal.invalid;
    for (const [start, length] of this.#maps) {
      if (address < start + length && start < address + size) return Refusal.exists;
    }
    if (this.#maps.size >= MAX_MAPS) return Refusal.noSpace;
    this.#maps.set(address, size);
    return 0;
  }

  /** Takes away the pieces that lie in the range; none may stick out. @returns 0, or the error number for the client */
  unmap(address: number, size: number): number {
    if (address < 0 || size <= 0) return Refusal.invalid;
    const end = address + size;
    const inside: number[] = [];
    for (const [start, length] of this.#maps) {
      if (start >= end || address >= start + length) continue;
      if (start < address || start + length > end) return Refusal.invalid;
      inside.push(start);
    }
    for (const start of inside) this.#maps.delete(start);
    return 0;
  }

  clear(): void {
    this.#maps.clear();
  }
}
