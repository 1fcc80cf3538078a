// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import { Errno, HostError } from '../../../core/platform/index.ts';
import { Command, Flag, Page, Verdict } from '../../../core/ring/layout.ts';
import { Ring } from '../../../core/ring/ring.ts';
import { type AerOutcome, ErrorRequests } from '../../../plugins/recovery/error-requests.ts';
import { createManualClock, type ManualClock } from '../../kit/manual-clock.ts';

const PATIENCE = 1000;

let words: Int32Array;
let clock: ManualClock;
let trace: string[];
let sending: () => void;
let questions: ErrorRequests;
let outcomes: (AerOutcome | undefined)[];

beforeEach(() => {
  words = new Int32Array(Page.bytes / 4);
  words[0] = Flag.aerHandler;
  clock = createManualClock();
  trace = [];
  outcomes = [];
  sending = () => {};
  questions = new ErrorRequests({
    ring: new Ring(words.buffer),
    clock,
    attach: () => {},
    asked: () => {
      trace.push(`sent ${words[Page.aerDevfn >> 2]}`);
      sending();
    },
    awaits: (state) => trace.push(`waits ${state}`),
  });
});

/** Asks about the device at `devfn`; its outcome goes to the place of its number in {@link outcomes}. */
const ask = (devfn: number): void => {
  const place = outcomes.push(undefined) - 1;
  void questions
    .ask({ command: Command.aerDetected, state: 1, segment: 0, bus: 0, devfn }, PATIENCE)
    .then((outcome) => (outcomes[place] = outcome));
};
/** The guest answers, and its event comes. */
const answer = (verdict: number): boolean => {
  words[Page.aerErr >> 2] = verdict;
  Atomics.and(words, 0, ~Flag.backActive);
  return questions.look();
};
const told = async (): Promise<unknown> => {
  await new Promise((resolve) => setImmediate(resolve));
  return outcomes;
};
const isPending = () => (Atomics.load(words, 0) & Flag.backActive) !== 0;

describe('questions about errors', () => {
  it('are asked one at a time, each when the one before is answered', async () => {
    for (const devfn of [8, 16]) ask(devfn);
    expect(trace).toEqual(['waits yes', 'sent 8']);
    expect(questions.look()).toBe(false);
    expect(answer(Verdict.recovered)).toBe(true);
    expect(trace).toEqual(['waits yes', 'sent 8', 'waits no', 'waits yes', 'sent 16']);
    answer(Verdict.disconnect);
    expect(await told()).toEqual([Verdict.recovered, Verdict.disconnect]);
    expect([isPending(), questions.look()]).toEqual([false, false]);
  });

  it('have each their own time: none of one that was answered is left', async () => {
    for (const devfn of [8, 16]) ask(devfn);
    clock.advance(PATIENCE - 1);
    answer(Verdict.canRecover);
    expect(clock.pending()).toBe(1);
    clock.advance(PATIENCE - 1);
    expect(await told()).toEqual([Verdict.canRecover, undefined]);
    answer(Verdict.noDriver);
    expect([await told(), clock.pending()]).toEqual([[Verdict.canRecover, Verdict.noDriver], 0]);
  });

  it('that nobody answers are taken back, those behind it too (D-P2)', async () => {
    for (const devfn of [8, 16, 24]) ask(devfn);
    clock.advance(PATIENCE);
    expect(await told()).toEqual(['time-out', 'time-out', 'time-out']);
    expect([isPending(), clock.pending(), trace.filter((line) => line.startsWith('sent'))]).toEqual([
      false,
      0,
      ['sent 8'],
    ]);
    ask(32);
    expect(trace.at(-1)).toBe('sent 32');
  });

  it('whose answer is there although its event is not are answered', async () => {
    ask(8);
    words[Page.aerErr >> 2] = Verdict.needReset;
    Atomics.and(words, 0, ~Flag.backActive);
    clock.advance(PATIENCE);
    expect(await told()).toEqual([Verdict.needReset]);
  });

  it('are not put to a guest that does not know them', async () => {
    words[0] = 0;
    ask(8);
    expect([await told(), trace]).toEqual([['no handler'], []]);
  });
});

describe('the end of the ring (D-P4)', () => {
  it('ends every wait, and nothing touches the page afterwards', async () => {
    for (const devfn of [8, 16]) ask(devfn);
    questions.close();
    expect([isPending(), clock.pending()]).toEqual([false, 0]);
    words.fill(Flag.aerHandler);
    const before = [...words];
    ask(24);
    clock.advance(PATIENCE);
    expect(await told()).toEqual(['closed', 'closed', 'closed']);
    expect([...words]).toEqual(before);
  });

  it('is what a guest that cannot be woken has come to; the next question is asked', async () => {
    sending = () => {
      sending = () => {};
      throw new HostError('notify', Errno.EINVAL);
    };
    ask(8);
    expect([await told(), isPending(), clock.pending()]).toEqual([['closed'], false, 0]);
    ask(16);
    answer(Verdict.recovered);
    expect(await told()).toEqual(['closed', Verdict.recovered]);
  });

  describe('a defect while a guest is woken', () => {
    beforeEach(() => {
      sending = () => {
        throw new TypeError('a defect');
      };
    });

    it('leaves nothing in the page, and is told to whoever asked', async () => {
      const asked = questions.ask({ command: Command.aerDetected, state: 1, segment: 0, bus: 0, devfn: 8 }, PATIENCE);
      await expect(asked).rejects.toThrow('a defect');
      expect([isPending(), clock.pending()]).toEqual([false, 0]);
    });

    it('does not stop the next question', async () => {
      const first = questions.ask({ command: Command.aerDetected, state: 1, segment: 0, bus: 0, devfn: 8 }, PATIENCE);
      await expect(first).rejects.toThrow('a defect');
      sending = () => {};
      ask(16);
      answer(Verdict.recovered);
      expect(await told()).toEqual([Verdict.recovered]);
    });
  });
});
