// SPDX-License-Identifier: MIT

import type { Engine } from '../../core/pciback.ts';
import type { Clock, EventChannel, EventChannels } from '../../core/platform/index.ts';
import { definePlugin, type Plugin } from '../../core/plugin/index.ts';
import { Histogram } from '../histogram.ts';
import { answered, answerTimes, type LineCounts, MEASURES, type Measures, Rates } from '../measures.ts';

/** Seconds between two looks at the rate of requests. */
const LOOK_SECONDS = 5;
/** Milliseconds after which no answer to a request can come any more: a reset may take 70 s. */
const LONGEST_REQUEST_MS = 100_000;
/** No time of a clock. */
const NONE = -1;

/**
 * A guest's channel on the control thread, which takes the time from each event until the guest is told. In one run after
 * an event there may be several requests: each begins when the one before is answered, and an unmask ends the run.
 */
class TimedChannel implements EventChannel {
  readonly #inner: EventChannel;
  readonly #clock: Clock;
  readonly #answers: Histogram;
  readonly #isAlone: boolean;
  /** When the request at work began; below zero: none is. */
  readonly #began = new Float64Array([NONE]);
  #isAnswered = false;

  constructor(inner: EventChannel, { clock, answers, isAlone }: TimedTerms) {
    this.#inner = inner;
    this.#clock = clock;
    this.#answers = answers;
    this.#isAlone = isAlone;
  }

  get port(): number {
    return this.#inner.port;
  }

  /** An event was delivered: `listener` looks what is there. */
  deliver(listener: () => void): void {
    this.#began[0] = this.#clock.now();
    this.#isAnswered = false;
    listener();
    // Beside an answering thread there is one request for each event, and that thread may be who unmasks.
    if (this.#isAnswered && !this.#isAlone) this.#began[0] = NONE;
  }

  notify(): void {
    const began = this.#began[0] as number;
    if (began >= 0) {
      const now = this.#clock.now();
      if (now - began < LONGEST_REQUEST_MS) this.#answers.add(now - began);
      this.#isAnswered = true;
      this.#began[0] = now;
    }
    this.#inner.notify();
  }

  unmask(): void {
    this.#began[0] = NONE;
    this.#inner.unmask();
  }

  awaitsAnswer(state: 'yes' | 'no'): void {
    this.#inner.awaitsAnswer?.(state);
  }

  close(): void {
    this.#inner.close();
  }
}

interface TimedTerms {
  readonly clock: Clock;
  readonly answers: Histogram;
  /** There is no answering thread beside the control thread. */
  readonly isAlone: boolean;
}

/** The same channels, with the times of requests counted. */
export const timedEvents = (events: EventChannels, terms: TimedTerms): EventChannels => ({
  bindInterdomain: (domain, remotePort, listener) => {
    const inner = events.bindInterdomain(domain, remotePort, () => timed.deliver(listener));
    const timed = new TimedChannel(inner, terms);
    return timed;
  },
});

/** What is measured from the start of the program on. */
export class ProgramMeasures {
  readonly answers = new Histogram();
  readonly #file: string | undefined;
  readonly #rates = new Rates(LOOK_SECONDS);
  #looking: NodeJS.Timeout | undefined;
  #heldBack: (() => LineCounts) | undefined;

  /** @param file the rc file, if there is one */
  constructor(file: string | undefined) {
    this.#file = file;
  }

  /** @param lines how many were left out so far */
  counts(lines: () => LineCounts): void {
    this.#heldBack = lines;
  }

  /** A part that offers the measures. */
  get plugin(): Plugin {
    return definePlugin({
      name: 'program/measures',
      api: '^1.0',
      apply: (host) => {
        host.parts.add(MEASURES, {
          about: 'Measures how long requests take, and how many there are.',
          start: ({ engine }) => {
            this.#begin(engine);
            return { offers: this.#offers, stop: () => clearInterval(this.#looking) };
          },
        });
      },
    });
  }

  #begin({ platform }: Engine): void {
    const look = (): void => this.#rates.look(answered(answerTimes(this.answers.read(), platform)));
    look();
    this.#looking = setInterval(look, LOOK_SECONDS * 1000).unref();
  }

  get #offers(): Measures {
    return {
      ...(this.#file === undefined ? {} : { file: this.#file }),
      answers: () => this.answers.read(),
      heldBack: () => this.#heldBack?.() ?? { debug: 0, info: 0, warn: 0, error: 0 },
      rates: () => this.#rates.list(),
    };
  }
}
