// SPDX-License-Identifier: MIT

import { Dispatcher, RingServer } from '../../core/dispatcher/index.ts';
import type { EventChannels } from '../../core/platform/index.ts';
import { ChannelState, Command, Flag, Page, Status, Verdict } from '../../core/ring/layout.ts';
import { Ring } from '../../core/ring/ring.ts';
import type { ConfigSpace } from '../../core/space/config-space.ts';
import { Outcome } from '../../core/space/outcome.ts';
import { type AerOutcome, ErrorRequests } from '../../plugins/recovery/error-requests.ts';
import { createManualClock } from './manual-clock.ts';

/** A platform's event channels with a guest at the other end of one of them. */
export interface EventBench {
  readonly events: EventChannels;
  readonly domain: number;
  /** The port that the guest offers. */
  readonly port: number;
  /** Sends an event as the guest. */
  notify(): void;
  /** Resolves when everything was delivered that can be. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/**
 * What guest and host do. The guest: `request` and `slow request` (its device has to settle) with their event,
 * `two requests` (the second at the answer of the first), `verdict` with its event, `quiet verdict` without, `event` with
 * nothing behind it, `request and verdict` with one event. The host: `ask` about an error, `device settles`; `deadline`
 * and `second` let time pass.
 */
export type EoiStep =
  | 'request'
  | 'slow request'
  | 'two requests'
  | 'verdict'
  | 'quiet verdict'
  | 'request and verdict'
  | 'event'
  | 'ask'
  | 'device settles'
  | 'deadline'
  | 'second';

/** What is seen of it, in order; a number or word is the outcome of a question. */
export type EoiTrace = 'delivery' | 'unmask' | 'answer' | 'question' | AerOutcome;

export interface EoiScenario {
  readonly name: string;
  readonly steps: readonly EoiStep[];
  readonly trace: readonly EoiTrace[];
}

/** The sequences of protocol §6 and §7: each delivery is ended once, by whoever the table names. */
export const eoiScenarios: readonly EoiScenario[] = [
  { name: 'a request', steps: ['request'], trace: ['delivery', 'answer', 'unmask'] },
  {
    name: 'a request while an answer about an error is waited for',
    steps: ['ask', 'request', 'verdict'],
    trace: ['question', 'delivery', 'answer', 'unmask', 'delivery', 'unmask', Verdict.recovered],
  },
  {
    name: 'an answer about an error while a request is worked on: the first delivery is ended when the question is sent',
    steps: ['slow request', 'ask', 'verdict', 'device settles'],
    trace: ['delivery', 'question', 'unmask', 'delivery', Verdict.recovered, 'answer', 'unmask'],
  },
  { name: 'an empty event', steps: ['event'], trace: ['delivery', 'unmask'] },
  { name: 'two requests back to back', steps: ['two requests'], trace: ['delivery', 'answer', 'answer', 'unmask'] },
  {
    name: 'a request and an answer about an error with one event',
    steps: ['ask', 'request and verdict'],
    trace: ['question', 'delivery', 'answer', 'unmask', Verdict.recovered],
  },
  {
    name: 'an answer whose event is lost is found at the deadline',
    steps: ['ask', 'quiet verdict', 'deadline', 'event'],
    trace: ['question', Verdict.recovered, 'delivery', 'unmask'],
  },
  {
    name: 'no answer: the channel lives on afterwards (D-P2)',
    steps: ['ask', 'deadline', 'event', 'request', 'ask', 'verdict'],
    trace: [
      'question',
      'time-out',
      'delivery',
      'unmask',
      'delivery',
      'answer',
      'unmask',
      'question',
      'delivery',
      'unmask',
      Verdict.recovered,
    ],
  },
  {
    name: 'a question while the channel is masked for the back-off ends that delivery, and nothing ends it again',
    steps: ['event', 'event', 'event', 'ask', 'second', 'verdict'],
    trace: [
      ...(['delivery', 'unmask', 'delivery', 'unmask', 'delivery'] as const),
      ...(['question', 'unmask', 'delivery', 'unmask', Verdict.recovered] as const),
    ],
  },
  {
    name: 'a back-off that a question has ended does not come back while a request is worked on',
    steps: ['event', 'event', 'event', 'ask', 'slow request', 'second', 'device settles', 'verdict'],
    trace: [
      ...(['delivery', 'unmask', 'delivery', 'unmask', 'delivery', 'question', 'unmask'] as const),
      ...(['delivery', 'answer', 'unmask', 'delivery', 'unmask', Verdict.recovered] as const),
    ],
  },
  {
    name: 'several questions queue: one at a time, and a guest that hangs in one is not asked the others',
    steps: ['ask', 'ask', 'verdict', 'ask', 'deadline'],
    trace: ['question', 'delivery', 'question', 'unmask', Verdict.recovered, 'time-out', 'time-out'],
  },
];

const DEADLINE = 10_000;

/** A ring server on a bench's channel, and what is seen of the two. */
export class EoiRun {
  readonly trace: EoiTrace[] = [];
  readonly server: RingServer;
  /** Requests that the guest made and answers it got; questions that it was asked. */
  readonly counts = { requests: 0, answers: 0, asked: 0, outcomes: 0 };
  readonly #bench: EventBench;
  readonly #clock = createManualClock();
  readonly #words: Int32Array;
  readonly #questions: ErrorRequests;
  #settling = false;
  #again = false;
  #slow = false;

  private constructor(bench: EventBench) {
    this.#bench = bench;
    const memory = new SharedArrayBuffer(Page.bytes);
    this.#words = new Int32Array(memory);
    Atomics.or(this.#words, 0, Flag.aerHandler);
    const space = { bits: 0, read: () => this.#read() };
    const target = {
      assignment: { space: space as unknown as ConfigSpace, interrupts: { follow: () => {} } as never },
    };
    const dispatcher = new Dispatcher({ lookup: () => target }, (error) => {
      throw error;
    });
    this.server = new RingServer(new Ring(memory), dispatcher, this.#clock);
    this.#questions = new ErrorRequests(this.server);
    const channel = bench.events.bindInterdomain(bench.domain, bench.port, () => {
      this.trace.push('delivery');
      this.server.event();
    });
    this.server.serve({
      port: channel.port,
      notify: () => {
        const { requests, answers } = this.counts;
        const answered = requests > answers && (Atomics.load(this.#words, 0) & Flag.frontActive) === 0;
        if (answered) this.#answered();
        else this.trace.push('question');
        channel.notify();
      },
      unmask: () => {
        this.trace.push('unmask');
        channel.unmask();
      },
      close: () => channel.close(),
    });
  }

  /** Binds. What a fresh channel delivers by itself is over afterwards, and forgotten with the first request. */
  static async start(bench: EventBench): Promise<EoiRun> {
    const run = new EoiRun(bench);
    await run.do('request');
    run.trace.length = 0;
    return run;
  }

  /** Whether a request is being worked on. */
  get isBusy(): boolean {
    return this.#settling;
  }

  /** Whether a request is in the page; the guest can make no other then. */
  get hasRequest(): boolean {
    return (Atomics.load(this.#words, 0) & Flag.frontActive) !== 0;
  }

  /** Whether the guest has a question to answer. */
  get isAsked(): boolean {
    return (Atomics.load(this.#words, 0) & Flag.backActive) !== 0;
  }

  async do(step: EoiStep): Promise<void> {
    this.#steps[step]();
    await this.#bench.settle();
  }

  readonly #steps: Readonly<Record<EoiStep, () => void>> = {
    request: () => {
      this.#request();
      this.#bench.notify();
    },
    'slow request': () => {
      this.#slow = true;
      this.#request();
      this.#bench.notify();
    },
    'two requests': () => {
      this.#again = true;
      this.#request();
      this.#bench.notify();
    },
    verdict: () => {
      this.#verdict();
      this.#bench.notify();
    },
    'quiet verdict': () => this.#verdict(),
    'request and verdict': () => {
      this.#request();
      this.#verdict();
      this.#bench.notify();
    },
    event: () => this.#bench.notify(),
    ask: () => {
      this.counts.asked++;
      const request = { command: Command.aerDetected, state: ChannelState.normal, segment: 0, bus: 0, devfn: 0 };
      void this.#questions.ask(request, DEADLINE).then((outcome) => {
        this.counts.outcomes++;
        this.trace.push(outcome);
      });
    },
    'device settles': () => {
      this.#settling = false;
      this.server.settled(Status.success);
    },
    deadline: () => this.#clock.advance(DEADLINE),
    second: () => this.#clock.advance(1000),
  };

  #read(): number {
    const slow = this.#slow;
    this.#slow = false;
    this.#settling = slow;
    return slow ? Outcome.later : Status.success;
  }

  #request(): void {
    this.counts.requests++;
    this.#words[Page.cmd >> 2] = Command.confRead;
    Atomics.or(this.#words, 0, Flag.frontActive);
  }

  #verdict(): void {
    this.#words[Page.aerErr >> 2] = Verdict.recovered;
    Atomics.and(this.#words, 0, ~Flag.backActive);
  }

  #answered(): void {
    this.counts.answers++;
    this.trace.push('answer');
    if (!this.#again) return;
    this.#again = false;
    this.#request();
  }

  count(what: EoiTrace): number {
    return this.trace.filter((one) => one === what).length;
  }
}
