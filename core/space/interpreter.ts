// SPDX-License-Identifier: MIT

import { Status } from '../ring/layout.ts';
import { Outcome } from './outcome.ts';
import type { RefusalNote } from './refusal.ts';
import type { ConfigAccess, TableView } from './views.ts';

type Size = 1 | 2 | 4;

const MOST = 0xffffffff;

/** All bits of 1, 2 or 4 bytes. Short, so that the compiler keeps a read in one piece. */
const sizeMask = (size: number): number => (-1 >>> (32 - (size << 3))) | 0;

/** All bits of an access or a register of `size` bytes at `offset`, in their place in the dword. */
export const reachOf = (offset: number, size: number): number => sizeMask(size) << ((offset & 3) << 3);

/** Whether each byte that has a bit in `reach` has one in `mask` too. */
const coversEachByte = (mask: number, reach: number): boolean => {
  if (mask === reach) return true;
  for (let shift = 0; shift < 32; shift += 8) {
    if (((reach >>> shift) & 0xff) !== 0 && ((mask >>> shift) & 0xff) === 0) return false;
  }
  return true;
};

/** Counts an access in each of its bytes; a count stays at the highest number. */
const countBytes = (counts: Uint32Array, offset: number, size: number): void => {
  for (let at = offset; at < offset + size; at++) {
    const count = counts[at] as number;
    if (count !== MOST) counts[at] = count + 1;
  }
};

/** What does writes to a register's bits in place of the register's behaviour, as long as that can be done without code. */
export interface CodedBits {
  /** Bits of the behaviour, in their place in the dword. */
  readonly mask: number;
  /** Bits that the last write wanted to change and that were refused, in their place in the dword. */
  readonly refused: number;
  /**
   * Does a write.
   *
   * @param written in its place in the dword; zero outside of `reach`
   * @param reach bits of the access, in their place in the dword
   * @returns a status; `needsCode`: it takes the behaviour, and nothing has changed
   * @throws what hardware throws; nothing has changed then
   */
  write(written: number, reach: number): Outcome;
}

/** Where behaviours run, they do all writes themselves. */
const BY_BEHAVIOURS: readonly (CodedBits | null)[] = [];

/**
 * What a compiled table says about a read or a write, and does it: the one statement of which bits go where. It runs no
 * code of a plugin. Every thread that answers a guest has one of its own, over the same arrays in shared memory.
 *
 * `read` and `write` are the hot path: no allocation, no hook, no search. They throw what the hardware throws, and answer
 * `needsCode` before anything has changed. Offset, size and value are taken as the guest sent them.
 */
export class Interpreter {
  /** Result of the last {@link read} as a signed 32-bit pattern, `size` bytes from bit 0; 0 when it did not succeed. */
  bits = 0;
  /** What the last {@link write} or {@link writePlain} refused, with a mask of 0 when that is nothing. */
  readonly refused: RefusalNote;
  readonly #hardware: ConfigAccess;
  readonly #size: number;
  readonly #shadowed: Int32Array;
  readonly #shadow: Int32Array;
  readonly #answered: Int32Array;
  readonly #through: Int32Array;
  readonly #own: Int32Array;
  readonly #reserved: Int32Array;
  readonly #coded: Int32Array;
  readonly #behind: Uint8Array;
  readonly #reads: Uint32Array;
  readonly #writes: Uint32Array;
  readonly #known: readonly (CodedBits | null)[];

  /**
   * The view is taken apart, so that all interpreters have one shape wherever their view comes from.
   *
   * @param refused where to note what is refused
   * @param known what does writes to bits with a behaviour, per dword; shorter: nothing does
   */
  constructor(view: TableView, hardware: ConfigAccess, refused: RefusalNote, known = BY_BEHAVIOURS) {
    this.#hardware = hardware;
    this.refused = refused;
    this.#size = view.size;
    this.#shadowed = view.shadowed;
    this.#shadow = view.shadow;
    this.#answered = view.answered;
    this.#through = view.through;
    this.#own = view.own;
    this.#reserved = view.reserved;
    this.#coded = view.coded;
    this.#behind = view.behind;
    this.#reads = view.reads;
    this.#writes = view.writes;
    this.#known = known;
  }

  /** Whether the guest's numbers name an access inside of this config space (S-1). */
  accepts(offset: number, size: number): size is Size {
    return (
      (size === 4 || size === 2 || size === 1) &&
      offset >= 0 &&
      offset + size <= this.#size &&
      (offset & (size - 1)) === 0
    );
  }

  /** Answers a read. @returns `success`, `invalidOffset` or `needsCode` */
  read(offset: number, size: number): Outcome {
    return this.readKept(offset, size) ? Status.success : this.readOpen(offset, size);
  }

  /** Answers a read for which {@link readKept} did not do. */
  readOpen(offset: number, size: number): Outcome {
    this.bits = 0;
    if (!this.accepts(offset, size)) return Status.invalidOffset;
    const at = offset >> 2;
    const reach = reachOf(offset, size);
    if (((this.#answered[at] as number) & ~(this.#shadowed[at] as number) & reach) !== 0) return Outcome.needsCode;
    this.bits = (this.view(offset, size, reach) >>> ((offset & 3) << 3)) | 0;
    countBytes(this.#reads, offset, size);
    return Status.success;
  }

  /** Answers a read from the table alone, which is what drivers read most and cannot fail. @returns whether it could */
  readKept(offset: number, size: number): boolean {
    if (!this.accepts(offset, size)) return false;
    const at = offset >> 2;
    const shift = (offset & 3) << 3;
    const mask = sizeMask(size);
    if (((~(this.#shadowed[at] as number) >> shift) & mask) !== 0) return false;
    this.bits = ((this.#shadow[at] as number) >> shift) & mask;
    countBytes(this.#reads, offset, size);
    return true;
  }

  /** The bits of `wanted`, which need no code, as the guest sees them; like `wanted` in their place in the dword. */
  view(offset: number, size: Size, wanted: number): number {
    const at = offset >> 2;
    const shadowed = (this.#shadowed[at] as number) & wanted;
    const known = (this.#shadow[at] as number) & shadowed;
    if (shadowed === wanted) return known;
    return known | ((this.#hardware.readConfig(offset, size) << ((offset & 3) << 3)) & wanted & ~shadowed);
  }

  /** The bits of a read that the table shows or hardware answers, in their place; those that need code are 0. */
  viewPlain(offset: number, size: Size): number {
    const at = offset >> 2;
    const code = (this.#answered[at] as number) & ~(this.#shadowed[at] as number);
    return this.view(offset, size, reachOf(offset, size) & ~code);
  }

  /**
   * Does a write: each bit goes where its owner says, whatever the width of the access. Bytes in which no bit goes to
   * hardware are never written there (XSA-128).
   *
   * @param value signed or unsigned; bits above `size` are ignored
   * @returns a protocol status, or `needsCode`
   */
  write(offset: number, size: number, value: number): Outcome {
    this.refused.mask = 0;
    if (!this.accepts(offset, size)) return Status.invalidOffset;
    const at = offset >> 2;
    const reach = reachOf(offset, size);
    const written = (value << ((offset & 3) << 3)) & reach;
    const coded = (this.#coded[at] as number) & reach;
    const through = (this.#through[at] as number) & reach;
    const known = coded === 0 ? null : (this.#known[at] ?? null);
    if (coded !== 0 && (known === null || (coded & ~known.mask) !== 0)) return Outcome.needsCode;
    // Hardware may change what is kept of a register beside it; and of several accesses the second may be refused.
    if (through !== 0 && (this.#behind[at] === 1 || !coversEachByte(through, reach))) return Outcome.needsCode;
    const fixed = this.#fixed(at, reach);
    let refused = fixed === 0 ? 0 : (written ^ this.view(offset, size, fixed)) & fixed;
    let status: Outcome = Status.success;
    if (known !== null) {
      // What changes more than nothing has whole bytes, of which no bit goes to hardware: nothing below throws then.
      status = known.write(written, reach);
      if (status === Outcome.needsCode) return status;
      // A write that two refuse is rare.
      if (refused !== 0 && known.refused !== 0) return Outcome.needsCode;
      refused |= known.refused;
    }
    this.#settle(offset, size, written, refused);
    return status;
  }

  /** Does the part of a write that needs no code, in any case. The caller has seen that the access is accepted. */
  writePlain(offset: number, size: Size, value: number): void {
    this.refused.mask = 0;
    const at = offset >> 2;
    const reach = reachOf(offset, size);
    const written = (value << ((offset & 3) << 3)) & reach;
    const fixed = this.#fixed(at, reach);
    this.#settle(offset, size, written, fixed === 0 ? 0 : (written ^ this.view(offset, size, fixed)) & fixed);
  }

  /** Bits that no write changes. None of them needs code to be read. */
  #fixed(at: number, reach: number): number {
    const taken = (this.#through[at] as number) | (this.#own[at] as number) | (this.#coded[at] as number);
    return reach & ~(taken | (this.#reserved[at] as number));
  }

  #settle(offset: number, size: Size, written: number, refused: number): void {
    const at = offset >> 2;
    const shift = (offset & 3) << 3;
    const reach = sizeMask(size) << shift;
    // First what the host may refuse.
    if (((this.#through[at] as number) & reach) !== 0) this.#pass(offset, size, written);
    const own = (this.#own[at] as number) & reach;
    if (own !== 0) this.#shadow[at] = ((this.#shadow[at] as number) & ~own) | (written & own);
    countBytes(this.#writes, offset, size);
    if (refused === 0) return;
    const note = this.refused;
    note.offset = offset;
    note.size = size;
    note.value = (written >>> shift) | 0;
    note.mask = (refused >>> shift) | 0;
    note.times = 1;
  }

  /** Passes bits on, in the largest accesses that touch only bytes with a bit that goes to hardware. */
  #pass(offset: number, size: Size, written: number): void {
    const shift = (offset & 3) << 3;
    const reach = sizeMask(size) << shift;
    const through = (this.#through[offset >> 2] as number) & reach;
    if (through === 0) return;
    if (size !== 1 && !coversEachByte(through, reach)) {
      const half = (size >> 1) as 1 | 2;
      this.#pass(offset, half, written);
      this.#pass(offset + half, half, written);
      return;
    }
    let value = written;
    if (through !== reach) {
      const old = this.#hardware.readConfig(offset, size) << shift;
      value = (old & ~through) | (written & through);
    }
    this.#hardware.writeConfig(offset, size, (value & reach) >>> shift);
  }

  /** An access that was done in another way, or failed, counts too. */
  countRead(offset: number, size: Size): void {
    countBytes(this.#reads, offset, size);
  }
  countWrite(offset: number, size: Size): void {
    countBytes(this.#writes, offset, size);
  }
}
