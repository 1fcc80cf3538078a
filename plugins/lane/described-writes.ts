// SPDX-License-Identifier: MIT

import { Status } from '../../core/ring/layout.ts';
import type { GatedWrites, PlacedDescription, TwofoldWrites } from '../../core/space/described-writes.ts';
import type { CodedBits } from '../../core/space/interpreter.ts';
import { Outcome } from '../../core/space/outcome.ts';
import type { ConfigAccess, TableBits } from '../../core/space/views.ts';

/** Where a description is run: the table, the state words of all its registers, and the device. */
export interface DescribedPlace {
  readonly bits: Pick<TableBits, 'shadow' | 'shadowed'>;
  readonly words: Uint32Array;
  readonly hardware: ConfigAccess;
}

/** What runs a description: a register of one device whose writes need no code as long as they fit. */
export abstract class DescribedRegister implements CodedBits {
  readonly mask: number;
  refused = 0;
  protected readonly words: Uint32Array;
  protected readonly reach: number;
  readonly #placed: PlacedDescription;
  readonly #bits: DescribedPlace['bits'];
  readonly #hardware: ConfigAccess;
  readonly #at: number;

  constructor(placed: PlacedDescription, { bits, words, hardware }: DescribedPlace) {
    this.mask = placed.mask;
    this.reach = placed.reach;
    this.words = words.subarray(placed.base);
    this.#placed = placed;
    this.#bits = bits;
    this.#hardware = hardware;
    this.#at = placed.offset >> 2;
  }

  /** Whether its gate waits to be closed. */
  get isClosing(): boolean {
    return false;
  }

  abstract write(written: number, reach: number): Outcome;

  protected placed(value: number): number {
    return (value << this.#placed.shift) & this.reach;
  }
  protected value(placed: number): number {
    return (placed & this.reach) >>> this.#placed.shift;
  }

  protected held(): number {
    const { offset, size, shift } = this.#placed;
    return this.#hardware.readConfig(offset, size) << shift;
  }

  /** Changes bits in hardware, and none beside them. @returns what it holds then */
  protected send(bits: number, values: number): number {
    const { offset, size, shift } = this.#placed;
    const held = this.held();
    const next = (held & ~bits) | (values & bits);
    if (next !== held) this.#hardware.writeConfig(offset, size, (next & this.reach) >>> shift);
    return this.held();
  }

  /** Whether the table knows the whole register: what a narrow access leaves out stays as it shows it. */
  protected get isKnown(): boolean {
    return ((this.#bits.shadowed[this.#at] as number) & this.reach) === this.reach;
  }
  protected get content(): number {
    return (this.#bits.shadow[this.#at] as number) & this.reach;
  }
  protected set content(placed: number) {
    const { shadow } = this.#bits;
    shadow[this.#at] = ((shadow[this.#at] as number) & ~this.reach) | (placed & this.reach);
  }
}

class Inert extends DescribedRegister {
  write(written: number): Outcome {
    return (written & this.mask) === 0 ? Status.success : Outcome.needsCode;
  }
}

class Twofold extends DescribedRegister {
  readonly #at: TwofoldWrites;

  constructor(writes: TwofoldWrites, placed: PlacedDescription, place: DescribedPlace) {
    super(placed, place);
    this.#at = writes;
  }

  write(written: number, reach: number): Outcome {
    if (!this.isKnown) return Outcome.needsCode;
    const { words } = this;
    const { first, second, chosen, fixed } = this.#at;
    const now = (this.content & ~reach) | (written & this.reach);
    const asksForSecond = (this.placed(words[fixed] as number) | now) === this.reach;
    // A register with nothing to choose takes anything.
    if (!asksForSecond && words[second] !== 0) {
      // Hardware that has lost the first value is given it back, which is for the behaviour to do.
      if (this.value(now) !== words[first] || (this.held() & this.reach) !== now) return Outcome.needsCode;
    }
    words[chosen] = asksForSecond ? 1 : 0;
    this.content = this.placed(words[asksForSecond ? second : first] as number);
    return Status.success;
  }
}

class Gated extends DescribedRegister {
  readonly #at: GatedWrites;

  constructor(writes: GatedWrites, placed: PlacedDescription, place: DescribedPlace) {
    super(placed, place);
    this.#at = writes;
  }

  override get isClosing(): boolean {
    return this.words[this.#at.closing] === 1;
  }

  write(written: number, reach: number): Outcome {
    if (!this.isKnown) return Outcome.needsCode;
    const { words } = this;
    const { own, open, closing, through, real, gate } = this.#at;
    const next = (this.content & ~reach) | (written & this.reach);
    const before = this.value(this.content);
    const now = this.value(next);
    if (!this.#admits(before, now)) return Outcome.needsCode;
    const sent = this.placed((before ^ now) & through);
    // First what the host may refuse.
    const shown = sent === 0 ? next : (this.send(sent, next) & this.placed(real)) | (next & ~this.placed(real));
    if ((now & gate) !== 0) words[closing] = 0;
    else if (words[open] === 1) words[closing] = 1;
    words[own] = now;
    this.content = shown;
    return Status.success;
  }

  #admits(before: number, now: number): boolean {
    const { open, free, gate, blockers, through } = this.#at;
    const change = before ^ now;
    if ((change & ~(free | gate | through)) !== 0) return false;
    const isOpen = this.words[open] === 1;
    if ((now & gate) !== 0) return isOpen;
    // Closing may do more than its bits say, so what hardware has to be told comes after it.
    return (change & through) === 0 && !(isOpen && (before & blockers) !== 0);
  }
}

class Refused extends DescribedRegister {
  write(written: number, reach: number): Outcome {
    this.refused = (written ^ this.held()) & this.mask & reach;
    return this.refused === 0 ? Status.success : Status.accessDenied;
  }
}

/** What runs this description in this place. */
export const describedRegister = (placed: PlacedDescription, place: DescribedPlace): DescribedRegister => {
  const { writes } = placed;
  switch (writes.kind) {
    case 'inert':
      return new Inert(placed, place);
    case 'twofold':
      return new Twofold(writes, placed, place);
    case 'gated':
      return new Gated(writes, placed, place);
    case 'refused':
      return new Refused(placed, place);
  }
};
