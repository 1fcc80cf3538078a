// SPDX-License-Identifier: MIT

/** Upper bounds of the buckets in milliseconds: 1 µs, 2 µs, 4 µs and so on to some 4 s; what takes longer has one more bucket. */
export const BOUNDS_MS: readonly number[] = Array.from({ length: 23 }, (_, power) => 2 ** power / 1000);
/** Index of the bucket without a bound, and of the sum of all times behind it. */
const LAST = BOUNDS_MS.length;
const SUM = LAST + 1;
/** 64-bit floats in which a histogram is kept. */
export const HISTOGRAM_WORDS = SUM + 1;

/** How long things took, at one moment; plain, so that it can be sent. */
export interface Durations {
  /** How many took no longer than each of {@link BOUNDS_MS}, and longer than the bound before; the last: longer than all. */
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** Counts how long things took. Counting allocates nothing, also in memory that several threads share. */
export class Histogram {
  readonly #words: Float64Array;

  /** @param words {@link HISTOGRAM_WORDS}, zero at first */
  constructor(words: Float64Array = new Float64Array(HISTOGRAM_WORDS)) {
    this.#words = words;
  }

  /** Something took so many milliseconds; below zero, where a clock was estimated, counts as zero. */
  add(milliseconds: number): void {
    const words = this.#words;
    const spent = milliseconds > 0 ? milliseconds : 0;
    const microseconds = Math.ceil(spent * 1000);
    const bucket = microseconds <= 1 ? 0 : microseconds > 0x7fff_ffff ? LAST : 32 - Math.clz32(microseconds - 1);
    const index = bucket < LAST ? bucket : LAST;
    words[index] = (words[index] as number) + 1;
    words[SUM] = (words[SUM] as number) + spent;
  }

  /** A copy. */
  read(): Durations {
    return { counts: [...this.#words.subarray(0, SUM)], sumMs: this.#words[SUM] as number };
  }
}

export const NO_DURATIONS: Durations = { counts: BOUNDS_MS.map(() => 0).concat(0), sumMs: 0 };

/** How many there are. */
export const countOf = ({ counts }: Durations): number => counts.reduce((all, one) => all + one, 0);

const combined = (one: Durations, other: Durations, sign: 1 | -1): Durations => ({
  counts: one.counts.map((count, index) => count + sign * (other.counts[index] ?? 0)),
  sumMs: one.sumMs + sign * other.sumMs,
});
/** All of both. */
export const together = (one: Durations, other: Durations): Durations => combined(one, other, 1);
/** What has come since. */
export const since = (now: Durations, before: Durations): Durations => combined(now, before, -1);

/** The bound in milliseconds under which so large a part of them is; `undefined`: there are none. */
export const boundOf = (durations: Durations, part: number): number | undefined => {
  const wanted = countOf(durations) * part;
  if (wanted <= 0) return undefined;
  let seen = 0;
  const index = durations.counts.findIndex((count) => {
    seen += count;
    return seen >= wanted;
  });
  return BOUNDS_MS[index] ?? Number.POSITIVE_INFINITY;
};

/** `8 µs`, `16 ms`, `over 4 s`: powers of two of a microsecond, rounded where a unit has a thousand. */
export const boundText = (milliseconds: number): string => {
  if (milliseconds < 1) return `${Math.round(milliseconds * 1000)} µs`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return Number.isFinite(milliseconds) ? `${Math.round(milliseconds / 1000)} s` : 'over 4 s';
};
