// SPDX-License-Identifier: MIT

import { setTimeout as pause } from 'node:timers/promises';
import type { Bdf } from '../../core/bdf.ts';
import type { SeededRandom } from '../kit/seeded-random.ts';
import type { AskingGuest } from '../survive/asking-guest.ts';
import type { Checks } from './checks.ts';
import type { Keeper } from './keeper.ts';
import type { World } from './world.ts';

const TURN_MS = 10;

/** What every fault works with. */
export interface Soak {
  readonly world: World;
  readonly keeper: Keeper;
  readonly checks: Checks;
  readonly asking: readonly AskingGuest[];
  readonly stretch: number;
  /** By device: whether one process has served since its last visitor came. */
  readonly visited: Map<Bdf, () => boolean>;
  /** Answers that guests had so far. */
  answers(): number;
}

/** Something that happens while guests ask. Resolves when it is over. */
export interface Fault {
  readonly name: string;
  run(soak: Soak, random: SeededRandom): Promise<void>;
}

/** Waits until it is so. @returns whether it came to that */
export const becomes = async (test: () => boolean | Promise<boolean>, milliseconds: number): Promise<boolean> => {
  const end = performance.now() + milliseconds;
  for (;;) {
    if (await test()) return true;
    if (performance.now() > end) return false;
    await pause(TURN_MS);
  }
};

/** The last error of a guest's back end, as the toolstack finds it: the log may have no reader at that moment. */
export const errorOf = async ({ world }: Soak, domain: number): Promise<string | undefined> => {
  const store = world.host.platform.store.connect(0);
  const error = await store.read(`/local/domain/0/error/backend/pci/${domain}/0/error`);
  store.close();
  return error;
};

/** Guests are answered while something goes on, and after it. */
export const servedMeanwhile = async (
  { answers, checks, stretch }: Soak,
  what: string,
  work: () => Promise<void>,
): Promise<void> => {
  const before = answers();
  await work();
  const then = answers();
  checks.that(then > before, `guests are served meanwhile: ${what}`);
  checks.that(await becomes(() => answers() > then, 2000 * stretch), `guests are served afterwards: ${what}`);
};

export { pause };
