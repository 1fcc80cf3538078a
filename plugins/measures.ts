// SPDX-License-Identifier: MIT

import type { Logger } from '../core/log.ts';
import type { Platform } from '../core/platform/index.ts';
import { countOf, type Durations, NO_DURATIONS, together } from './histogram.ts';
import { reportingAnswerer } from './kinds/answerer.ts';

/** Name of the part that offers {@link Measures}. */
export const MEASURES = 'measures';

/** Lines of the log by their level. */
export type LineCounts = Readonly<Record<keyof Logger, number>>;

/** What the program measures of itself. */
export interface Measures {
  /** The rc file; missing: there is none. */
  readonly file?: string;
  /** How long requests took on the control thread: from their event until the guest was told. */
  answers(): Durations;
  /** Lines about guests that were left out of the log because there were too many. */
  heldBack(): LineCounts;
  /** Requests a second in each of {@link RATE_SECONDS}. */
  rates(): readonly number[];
}

/** Seconds over which {@link Measures.rates} are taken, the latest ones. */
export const RATE_SECONDS = [10, 60, 600] as const;

/** How long requests took, by the thread that answered them. */
export interface AnswerTimes {
  readonly control: Durations;
  /** Zero where there is no answering thread. */
  readonly lane: Durations;
}

/** @param answers of the control thread */
export const answerTimes = (answers: Durations, platform: Pick<Platform, 'answerer'>): AnswerTimes => ({
  control: answers,
  lane: reportingAnswerer(platform)?.report().answers ?? NO_DURATIONS,
});

/** Requests that were answered. */
export const answered = ({ control, lane }: AnswerTimes): number => countOf(together(control, lane));

/** Rates of a count that only grows, from looks at it at regular times. */
export class Rates {
  readonly #seconds: number;
  readonly #counts: Float64Array;
  #looks = 0;

  /** @param seconds between two looks */
  constructor(seconds: number) {
    this.#seconds = seconds;
    this.#counts = new Float64Array(Math.max(...RATE_SECONDS) / seconds + 1);
  }

  look(count: number): void {
    this.#counts[this.#looks % this.#counts.length] = count;
    this.#looks++;
  }

  /** A second, over each of {@link RATE_SECONDS}, or as long as there were looks. */
  list(): readonly number[] {
    const at = (look: number): number => this.#counts[look % this.#counts.length] as number;
    const newest = this.#looks - 1;
    return RATE_SECONDS.map((seconds) => {
      const looks = Math.min(newest, Math.round(seconds / this.#seconds));
      return looks <= 0 ? 0 : (at(newest) - at(newest - looks)) / (looks * this.#seconds);
    });
  }
}
