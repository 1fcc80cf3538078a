// SPDX-License-Identifier: MIT

import type { PlacedQuiet } from '../../core/space/quiet.ts';

const Kind = { inert: 0, twofold: 1, gated: 2, refused: 3 } as const;

/**
 * A register whose writes a lane can do although there is code behind it. All kinds have one shape, which the compiler
 * likes; the words that a kind does not have are 0.
 */
export class QuietRegister {
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  /** Bits of the behaviour, and all bits of the register, in their place in the dword. */
  readonly mask: number;
  readonly reach: number;
  readonly #kind: number;
  readonly #shift: number;
  readonly #words: Uint32Array;
  readonly #first: number = 0;
  readonly #second: number = 0;
  readonly #chosen: number = 0;
  readonly #fixed: number = 0;
  readonly #own: number = 0;
  readonly #open: number = 0;
  readonly #closing: number = 0;
  readonly #free: number = 0;
  readonly #gate: number = 0;
  readonly #blockers: number = 0;
  readonly #through: number = 0;
  readonly #real: number = 0;

  /** @param words the state words of all registers of the device */
  constructor({ writes, offset, size, mask, reach, shift }: PlacedQuiet, words: Uint32Array) {
    this.offset = offset;
    this.size = size;
    this.mask = mask;
    this.reach = reach;
    this.#shift = shift;
    this.#words = words;
    this.#kind = Kind[writes.kind];
    if (writes.kind === 'twofold') {
      this.#first = writes.first;
      this.#second = writes.second;
      this.#chosen = writes.chosen;
      this.#fixed = writes.fixed;
    } else if (writes.kind === 'gated') {
      this.#own = writes.own;
      this.#open = writes.open;
      this.#closing = writes.closing;
      this.#free = writes.free;
      this.#gate = writes.gate;
      this.#blockers = writes.blockers;
      this.#through = writes.through;
      this.#real = writes.real;
    }
  }

  /** Whether its gate waits to be closed. */
  get isClosing(): boolean {
    return this.#kind === Kind.gated && this.#words[this.#closing] === 1;
  }

  /** Whether it takes no change: it shows what hardware has, and {@link takes} is not for it. */
  get isFixed(): boolean {
    return this.#kind === Kind.refused;
  }

  /** Whether writes need the register's content and leave another: not those that do nothing. */
  get hasContent(): boolean {
    return this.#kind !== Kind.inert;
  }

  /** Whether hardware must hold `value` for a write of it to be done here: it chooses the first of two. */
  putsBack(value: number): boolean {
    const words = this.#words;
    if (this.#kind !== Kind.twofold || (words[this.#second] as number) === 0) return false;
    return this.#shown(value) === (words[this.#first] as number) && !this.#asksForSecond(this.#shown(value));
  }

  /**
   * The bits of a write that hardware has to be told before it is done, in their place in the dword; 0 also for a write
   * that is not one for {@link takes}.
   *
   * @param before the register's content, in its place in the dword
   * @param now the same with what is written
   */
  sends(before: number, now: number): number {
    const was = this.#shown(before);
    const is = this.#shown(now);
    const sent = (was ^ is) & this.#through;
    return sent !== 0 && this.#admits(was, is) ? sent << this.#shift : 0;
  }

  /** Bits that show what hardware has, in their place in the dword; known for registers that {@link sends} something. */
  get real(): number {
    return this.#real << this.#shift;
  }

  /**
   * Does a write.
   *
   * @param before the register's content, in its place in the dword
   * @param now the same with what is written
   * @returns whether it was done; then the register shows {@link content}
   */
  takes(before: number, now: number): boolean {
    if (this.#kind === Kind.inert) return (now & this.mask) === 0;
    const value = this.#shown(now);
    return this.#kind === Kind.twofold ? this.#chooses(value) : this.#passes(this.#shown(before), value);
  }

  /** What the register shows, in its place in the dword. */
  get content(): number {
    const words = this.#words;
    const at = this.#kind === Kind.gated ? this.#own : words[this.#chosen] === 1 ? this.#second : this.#first;
    return ((words[at] as number) << this.#shift) & this.reach;
  }

  #shown(place: number): number {
    return ((place & this.reach) >>> this.#shift) >>> 0;
  }

  #asksForSecond(value: number): boolean {
    const all = this.reach >>> this.#shift;
    return ((value | (this.#words[this.#fixed] as number)) & all) >>> 0 === all >>> 0;
  }

  #chooses(value: number): boolean {
    const words = this.#words;
    if (this.#asksForSecond(value)) {
      words[this.#chosen] = 1;
      return true;
    }
    // A register with nothing to choose takes anything.
    if (words[this.#second] !== 0 && value !== words[this.#first]) return false;
    words[this.#chosen] = 0;
    return true;
  }

  /** Whether a register with a gate can be written so. Changes nothing. */
  #admits(before: number, now: number): boolean {
    const change = before ^ now;
    if ((change & ~(this.#free | this.#gate | this.#through)) !== 0) return false;
    const isOpen = this.#words[this.#open] === 1;
    if ((now & this.#gate) !== 0) return isOpen;
    // Closing may do more than its bits say, so what hardware has to be told comes after it.
    return (change & this.#through) === 0 && !(isOpen && (before & this.#blockers) !== 0);
  }

  #passes(before: number, now: number): boolean {
    if (!this.#admits(before, now)) return false;
    const words = this.#words;
    if ((now & this.#gate) !== 0) words[this.#closing] = 0;
    else if (words[this.#open] === 1) words[this.#closing] = 1;
    words[this.#own] = now;
    return true;
  }
}
