// SPDX-License-Identifier: MIT

/**
 * Writes to a register with a behaviour that change little but its state words, or nothing at all: what `write` does with
 * them, as data, so that a thread that runs no code can do it. A write that does not fit the description goes to the
 * behaviour. All words are indexes into the register's own.
 */
export type DescribedWrites = InertWrites | TwofoldWrites | GatedWrites | RefusedWrites;

/** Writes with zero in all of the behaviour's bits do nothing. */
interface InertWrites {
  readonly kind: 'inert';
}

/**
 * The register shows one of two values. All ones, but for the bits in `fixed`, choose the second; the first value
 * itself, which hardware holds too, chooses the first. `chosen` is 0 or 1.
 */
export interface TwofoldWrites {
  readonly kind: 'twofold';
  readonly first: number;
  readonly second: number;
  readonly chosen: number;
  readonly fixed: number;
}

/**
 * The register shows what was written to it. Bits in `free` change nothing else. The bits in `gate` open something in
 * the device when one of them is set, and close it when none is. Closing can wait, and opening again before it has
 * happened undoes it: nobody can tell the difference as long as none of the bits in `blockers` is set. `open` is 0 or
 * 1 as the device is, `closing` 1 while it waits. While a bit in `gate` is set, those in `through` go to hardware, and
 * nothing else of the write does. All bits in `real`, and no others, show what hardware has after that.
 */
export interface GatedWrites {
  readonly kind: 'gated';
  readonly own: number;
  readonly open: number;
  readonly closing: number;
  readonly free: number;
  readonly gate: number;
  readonly blockers: number;
  readonly through: number;
  readonly real: number;
}

/**
 * The register shows what hardware has. A write of just that does nothing; any other does nothing either, is refused
 * for the reason `why`, with the bits that it would have changed, and answered with access_denied.
 */
interface RefusedWrites {
  readonly kind: 'refused';
  readonly why: string;
}

/** A description placed in the table of a device. */
export interface PlacedDescription {
  readonly writes: DescribedWrites;
  /** Index of the register's first word among all state words. */
  readonly base: number;
  /** Bits of the behaviour, and all bits of the register, in their place in the dword. */
  readonly mask: number;
  readonly reach: number;
  readonly shift: number;
  /** Byte offset of the register, and its width in bytes. */
  readonly offset: number;
  readonly size: 1 | 2 | 4;
}
