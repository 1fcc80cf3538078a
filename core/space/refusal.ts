// SPDX-License-Identifier: MIT

/**
 * A write of a guest that did not do everything it asked for. The object is used again for the next one: who keeps it
 * copies it. Bit patterns are signed 32-bit numbers: an unsigned one above 0x7fffffff would be an object on the heap.
 */
export interface RefusedWrite {
  /** Of the access, and its size in bytes. */
  readonly offset: number;
  readonly size: number;
  /** Bit pattern as written, `size` bytes. */
  readonly value: number;
  /** The refused bits of {@link value}; 0: none was. */
  readonly mask: number;
  /** How often the same was refused. */
  readonly times: number;
}

/** The same with who refused it, and by which rule. */
export interface Refusal extends RefusedWrite {
  /** Plugin, set and register that own the bits, or the policy for bits without a field. It may be searched for: look once. */
  readonly owner: string;
  /** The rule, a constant text. */
  readonly why: string;
}

/** Where refused writes are noted, one at a time. */
export type RefusalNote = { -readonly [Key in keyof RefusedWrite]: RefusedWrite[Key] };

export const refusalNote = (): RefusalNote => ({ offset: 0, size: 0, value: 0, mask: 0, times: 1 });
