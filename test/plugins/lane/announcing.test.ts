// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { Flag, OP_START, Page } from '../../../core/ring/layout.ts';
import type { Bell } from '../../../plugins/kinds/bell.ts';
import { LaneLoop } from '../../../plugins/lane/lane-loop.ts';
import { Refusals } from '../../../plugins/lane/refusals.ts';
import { LaneCount, type LaneMessage, LaneWord, Owner, SeatWord } from '../../../plugins/lane/thread-protocol.ts';
import { deviceView } from './world.ts';

/** Milliseconds that a look at the clock takes here, and the longest watch. */
const TICK = 0.001;
const LONGEST = 1;

/** Guests of one lane, at ports 1, 2, ...; each has a device that needs no code. @param shortest watch */
const guests = (count: number, shortest = 0) => {
  const notified: number[] = [];
  const unmasked: number[] = [];
  const messages: LaneMessage[] = [];
  const words = new SharedArrayBuffer(4 * LaneWord.words);
  const state = { now: 0, each: (): void => undefined, unmasks: (_port: number): void => undefined };
  const ports = new Uint32Array(8);
  const page = new SharedArrayBuffer(Page.bytes);
  const bell: Bell = {
    ports,
    sleep: () => 0,
    peek: () => 0,
    notify: (port) => notified.push(port),
    unmask: (port) => {
      unmasked.push(port);
      state.unmasks(port);
    },
    hardware: { read: () => 0, write: () => undefined, page: (reference) => reference as SharedArrayBuffer },
    rehearsal: { port: 0, file: -1, page },
  };
  const loop = new LaneLoop({
    bell,
    words,
    counts: new SharedArrayBuffer(8 * LaneCount.counts),
    policy: { longest: LONGEST, wakeUps: 1000, shortest, patience: 3 },
    inbox: () => messages.shift(),
    tell: () => undefined,
    now: () => {
      state.now += TICK;
      state.each();
      return state.now;
    },
  });
  loop.clock.looksPerSync = 1;
  const say = (message: LaneMessage): void => {
    messages.push(message);
    Atomics.add(new Int32Array(words), LaneWord.inbox, 1);
  };
  const all = Array.from({ length: count }, (_, index) => {
    const port = index + 1;
    const memory = new SharedArrayBuffer(Page.bytes);
    const flags = new Int32Array(memory);
    const op = new Int32Array(memory, OP_START, 9);
    const seat = new SharedArrayBuffer(4 * SeatWord.words);
    const seatWords = new Int32Array(seat);
    const counters = () => new Float64Array(new SharedArrayBuffer(8 * 16));
    const show = (): void => {
      const { memory: refusals } = new Refusals();
      const view = { devices: [deviceView(1)], requests: counters(), statuses: counters(), refusals };
      say({ what: 'view', port, view: { addresses: Int32Array.of(0), ...view } });
      Atomics.add(seatWords, SeatWord.version, 1);
    };
    say({ what: 'seat', port, page: memory, words: seat });
    show();
    return {
      port,
      isHanded: (): boolean => Atomics.load(seatWords, SeatWord.owner) === Owner.control,
      show,
      leave: (): void => say({ what: 'leave', port }),
      /** @param offset 8: needs code */
      ask: (offset = 0): void => {
        op.fill(0);
        op[(Page.offset - OP_START) >> 2] = offset;
        op[(Page.size - OP_START) >> 2] = 4;
        Atomics.or(flags, 0, Flag.frontActive);
      },
      /** The control thread answers what it was handed, and gives the page back. */
      answerElsewhere: (): void => {
        Atomics.and(flags, 0, ~Flag.frontActive);
        Atomics.store(seatWords, SeatWord.owner, Owner.nobody);
      },
      get answered(): boolean {
        return (Atomics.load(flags, 0) & Flag.frontActive) === 0;
      },
    };
  });
  const wake = (...woken: readonly number[]): void => {
    ports.set(woken);
    loop.wake(woken.length);
  };
  return { all, wake, state, notified, unmasked, stop: () => Atomics.store(new Int32Array(words), LaneWord.stop, 1) };
};

it('a guest that comes back after a while is told, although another one keeps the lane awake', () => {
  const { all, wake, state, notified, stop } = guests(2);
  const [one, busy] = all as [(typeof all)[0], (typeof all)[0]];
  const pause = 100;
  let asked = 0;
  let told = 0;
  state.each = () => {
    if (busy.answered) busy.ask();
    if (asked === 0 && state.now > pause) {
      asked = state.now;
      notified.length = 0;
      one.ask();
    }
    if (asked > 0 && told === 0 && notified.includes(one.port)) told = state.now;
    if (told > 0 || state.now > 2 * pause) stop();
  };
  one.ask();
  busy.ask();
  wake(one.port, busy.port);
  expect(one.answered).toBe(true);
  expect(told - asked).toBeGreaterThan(0);
  expect(told - asked).toBeLessThan(4 * LONGEST);
});

it('before it sleeps the lane looks after every guest, also when it hears then that another one has left', () => {
  const { all, wake, state, notified, unmasked } = guests(3);
  const [gone, renewed, last] = all as [(typeof all)[0], (typeof all)[0], (typeof all)[0]];
  state.unmasks = (port) => {
    if (port !== gone.port) return;
    gone.leave();
    renewed.show();
    renewed.ask();
  };
  for (const one of all) one.ask();
  state.each = () => void notified.splice(0);
  wake(...all.map(({ port }) => port));
  expect([renewed.answered, notified.includes(renewed.port)]).toEqual([true, true]);
  expect(unmasked).toEqual([gone.port, renewed.port, last.port]);
});

/** One guest that asks again as long after each answer as the list says, in looks at the clock. */
const rhythm = (
  pauses: readonly number[],
  each: (index: number) => { readonly away?: number; readonly offset?: number },
) => {
  const { all, wake, state, notified } = guests(1, LONGEST / 2);
  const [one] = all as [(typeof all)[0]];
  /** How long after each answer that was found by looking the guest was told. */
  const told: (number | undefined)[] = [];
  let [index, answeredAt, elsewhere] = [0, 0, 0];
  state.each = () => {
    if (one.isHanded() && --elsewhere <= 0) one.answerElsewhere();
    if (!one.answered) return;
    if (answeredAt === 0) {
      state.now += each(index).away ?? 0;
      answeredAt = state.now;
      notified.length = 0;
    } else if (notified.length > 0) {
      notified.length = 0;
      told[index] ??= Math.round((state.now - answeredAt) / TICK);
    }
    if (index < pauses.length && state.now - answeredAt >= (pauses[index] as number) * TICK) {
      index++;
      answeredAt = 0;
      elsewhere = 40;
      one.ask(each(index).offset ?? 0);
    }
  };
  one.ask();
  wake(one.port);
  return told;
};

const times = (count: number, value: number): number[] => Array.from({ length: count }, () => value);

it('a guest is told at once of an answer that came late, and of no other before it may sleep', () => {
  const told = rhythm(times(20, 10), (index) => (index === 15 ? { away: 0.2 } : {}));
  expect(told.flatMap((after, index) => (index > 1 && after !== undefined ? [[index, after < 3]] : []))).toEqual([
    [15, true],
    [20, false],
  ]);
});

it('what a guest does after it was told late is no habit', () => {
  const told = rhythm([...times(10, 10), ...times(60, 60)], () => ({}));
  const late = Array.from({ length: 59 }, (_, index) => told[11 + index] ?? Number.POSITIVE_INFINITY);
  expect(Math.min(...late)).toBeGreaterThan(20);
  expect(Math.max(...late)).toBeLessThan(50);
});

it('what a guest does after somebody else has answered it is no habit', () => {
  const told = rhythm([...times(10, 10), ...times(60, 10), 60, 60], (index) =>
    index > 10 && index < 70 && index % 2 === 0 ? { offset: 8 } : {},
  );
  expect(told[71]).toBeLessThan(50);
});

it('what is not announced yet is before the lane sleeps', () => {
  const { all, wake, state, notified } = guests(2);
  const [slow, quick] = all as [(typeof all)[0], (typeof all)[0]];
  let [next, asked] = [200 * TICK, 0];
  state.each = () => {
    if (asked === 8 && slow.answered) return;
    if (quick.answered) quick.ask();
    if (!slow.answered || state.now < next) return;
    next = state.now + 200 * TICK;
    asked++;
    notified.length = 0;
    slow.ask();
  };
  slow.ask();
  quick.ask();
  wake(slow.port, quick.port);
  expect([asked, slow.answered]).toEqual([8, true]);
  expect(notified).toContain(slow.port);
});
