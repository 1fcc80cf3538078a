// SPDX-License-Identifier: MIT

import { readdirSync } from 'node:fs';
import type { Checks } from './checks.ts';
import type { Keeper } from './keeper.ts';

const MIB = 1024 * 1024;
/** How much more the last third of a stretch may have than the first, beside the room that a heap takes by chance. */
const GROWTH = 1.05;
const HEAP_ROOM = 1.5 * MIB;
const RSS_ROOM = 8 * MIB;
/** Connections to the control socket come and go. */
const DESCRIPTOR_ROOM = 2;
/** Samples without which nothing can be said. */
const FEWEST = 9;

/** What the process that serves takes at one moment, after a collection. */
export interface Sample {
  readonly seconds: number;
  readonly pid: number;
  readonly rss: number;
  readonly heap: number;
  readonly descriptors: number;
}

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
};

/** Looks at the process that serves from time to time. */
export class Memory {
  readonly samples: Sample[] = [];
  readonly #keeper: Keeper;
  readonly #since = performance.now();

  constructor(keeper: Keeper) {
    this.#keeper = keeper;
  }

  get seconds(): number {
    return (performance.now() - this.#since) / 1000;
  }

  /** @returns `undefined` while nobody serves */
  async sample(): Promise<Sample | undefined> {
    type Seen = { readonly pid: number; readonly rss: number; readonly heapUsed: number };
    const seen = (await this.#keeper.ask('soak-memory').catch(() => undefined)) as Seen | undefined;
    if (seen === undefined) return undefined;
    const descriptors = descriptorsOf(seen.pid);
    if (descriptors === undefined) return undefined;
    const sample = { seconds: this.seconds, pid: seen.pid, rss: seen.rss, heap: seen.heapUsed, descriptors };
    this.samples.push(sample);
    return sample;
  }

  /** Holds the samples of one process against each other: what it takes after the warm-up stays what it is. */
  checkFlat(checks: Checks, from: number, warmUp: number): void {
    const last = this.samples.at(-1);
    const own = this.samples.filter((one) => one.pid === last?.pid && one.seconds >= from + warmUp);
    if (own.length < FEWEST) return;
    const third = Math.floor(own.length / 3);
    const [first, end] = [own.slice(0, third), own.slice(-third)];
    const hold = (what: string, of: (sample: Sample) => number, room: number, growth: number): void => {
      const [before, after] = [median(first.map(of)), median(end.map(of))];
      checks.that(after <= before * growth + room, `${what} is flat after the warm-up`, `${before} → ${after}`);
    };
    hold('heap', ({ heap }) => heap, HEAP_ROOM, GROWTH);
    hold('resident memory', ({ rss }) => rss, RSS_ROOM, GROWTH);
    hold('number of descriptors', ({ descriptors }) => descriptors, DESCRIPTOR_ROOM, 1);
  }
}

const descriptorsOf = (pid: number): number | undefined => {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    // It ended meanwhile.
    return undefined;
  }
};
