// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';

/** Where each thread stands. The letters of the lane follow `loop.ts`, those of the control thread `seat.ts`. */
type LaneAt =
  | 'asleep'
  | 'awake'
  | 'owe'
  | 'look'
  | 'looking'
  | 'release'
  | 'hand over'
  | 'tell'
  | 'note missed'
  | 'own event'
  | 'doze'
  | 'settle'
  | 'settle own'
  | 'settle missed'
  | 'settle unmask'
  | 'settle release';
type ControlAt = 'idle' | 'work' | 'give back' | 'is it awake' | 'was one missed' | 'is one owed';

/** One guest, both threads, between two atomic operations. */
interface State {
  readonly lane: LaneAt;
  readonly control: ControlAt;
  /** Why the lane looks: an event, a ring, or because it is about to sleep. */
  readonly why: 'event' | 'ring' | 'settle';
  readonly found: 'nothing' | 'fast' | 'slow';
  readonly owner: 'nobody' | 'lane' | 'control';
  readonly owed: boolean;
  readonly missed: boolean;
  readonly isAwake: boolean;
  readonly told: number;
  readonly rung: boolean;
  readonly masked: boolean;
  readonly pending: boolean;
  readonly request: 'none' | 'fast' | 'slow';
  /** The guest has answered an error report, and the control thread has not seen it. */
  readonly answer: boolean;
  /** The guest has changed the page and not sent its event yet. */
  readonly unsent: boolean;
  /** What the guest and the control thread may still begin. */
  readonly requests: number;
  readonly answers: number;
  readonly shows: number;
}

type Defect = 'none' | 'answer ignored' | 'missed ignored' | 'sleeps after settling' | 'owed alone';

const lane = (s: State, awaits: boolean, defect: Defect): State | undefined => {
  const afterLook = s.why === 'settle' ? 'settle own' : 'doze';
  switch (s.lane) {
    case 'asleep':
      if (s.pending && !s.masked) return { ...s, pending: false, masked: true, why: 'event', lane: 'awake' };
      return s.rung ? { ...s, rung: false, why: 'ring', lane: 'awake' } : undefined;
    case 'awake':
      return { ...s, isAwake: true, lane: s.why === 'event' ? 'owe' : 'look' };
    case 'owe':
      return { ...s, owed: true, lane: 'look' };
    case 'look':
      if (s.owner === 'nobody') return { ...s, owner: 'lane', lane: 'looking' };
      return { ...s, lane: s.why === 'event' ? 'note missed' : s.why === 'ring' ? 'doze' : 'asleep' };
    case 'looking':
      if (s.request === 'slow') return { ...s, lane: 'hand over' };
      return { ...s, found: s.request === 'fast' ? 'fast' : 'nothing', request: 'none', lane: 'release' };
    case 'release': {
      const isWhole = s.found === 'fast' && (!awaits || defect === 'answer ignored');
      return { ...s, owner: 'nobody', lane: s.why === 'event' && !isWhole ? 'own event' : afterLook };
    }
    case 'own event':
      return s.owner === 'nobody' ? { ...s, owner: 'lane', lane: 'hand over' } : { ...s, lane: 'note missed' };
    case 'hand over':
      return { ...s, owner: 'control', lane: 'tell' };
    case 'tell':
      return { ...s, told: s.told + 1, lane: s.why === 'settle' ? 'asleep' : 'doze' };
    case 'note missed':
      return { ...s, missed: true, lane: 'doze' };
    case 'doze':
      return { ...s, isAwake: defect === 'sleeps after settling', lane: 'settle' };
    case 'settle':
      if (!s.owed && (!s.missed || defect === 'owed alone')) return { ...s, isAwake: false, lane: 'asleep' };
      return { ...s, why: 'settle', lane: 'look' };
    case 'settle own':
      if (s.owner !== 'nobody') return { ...s, isAwake: false, lane: 'asleep' };
      return { ...s, owner: 'lane', lane: 'settle missed' };
    case 'settle missed': {
      const isTheirs = s.missed && awaits && defect !== 'missed ignored';
      return { ...s, missed: false, lane: isTheirs ? 'hand over' : 'settle unmask' };
    }
    case 'settle unmask':
      return { ...s, owed: false, masked: s.owed ? false : s.masked, lane: 'settle release' };
    case 'settle release':
      return { ...s, owner: 'nobody', isAwake: false, lane: 'asleep' };
  }
};

const control = (s: State): State[] => {
  switch (s.control) {
    case 'idle': {
      const heard: State[] = s.told > 0 ? [{ ...s, told: s.told - 1, control: 'work' }] : [];
      // A new view: the seat is taken for it, unless the control thread has it anyway.
      if (s.shows > 0 && s.owner === 'nobody')
        heard.push({ ...s, shows: s.shows - 1, owner: 'control', control: 'give back' });
      return heard;
    }
    case 'work':
      return [{ ...s, request: 'none', answer: false, control: 'give back' }];
    case 'give back':
      return [{ ...s, owner: 'nobody', control: 'is it awake' }];
    case 'is it awake':
      return [{ ...s, control: s.isAwake ? 'idle' : 'was one missed' }];
    case 'was one missed':
      return [s.missed ? { ...s, rung: true, control: 'idle' } : { ...s, control: 'is one owed' }];
    case 'is one owed':
      return [{ ...s, owed: false, masked: s.owed ? false : s.masked, control: 'idle' }];
  }
};

const guest = (s: State): State[] => {
  const moves: State[] = s.unsent ? [{ ...s, unsent: false, pending: true }] : [];
  if (s.requests > 0 && s.request === 'none') {
    moves.push({ ...s, requests: s.requests - 1, request: 'fast', unsent: true });
    moves.push({ ...s, requests: s.requests - 1, request: 'slow', unsent: true });
  }
  if (s.answers > 0) moves.push({ ...s, answers: s.answers - 1, answer: true, unsent: true });
  return moves;
};

/** Every state that can be reached; those in which nothing moves any more must leave nothing undone. */
const explore = (awaits: boolean, defect: Defect) => {
  const first: State = {
    lane: 'asleep',
    control: 'idle',
    why: 'ring',
    found: 'nothing',
    owner: 'nobody',
    owed: false,
    missed: false,
    isAwake: false,
    told: 0,
    rung: false,
    masked: false,
    pending: false,
    request: 'none',
    answer: false,
    unsent: false,
    requests: 2,
    answers: awaits ? 1 : 0,
    shows: 1,
  };
  const seen = new Set<string>();
  const open = [first];
  const wrong = new Set<string>();
  let ends = 0;
  for (let s = open.pop(); s !== undefined; s = open.pop()) {
    const key = Object.values(s).join();
    if (seen.has(key)) continue;
    seen.add(key);
    if (s.told > 1) wrong.add('handed over twice');
    const next = [lane(s, awaits, defect) ?? [], control(s), guest(s)].flat();
    open.push(...next);
    if (next.length > 0) continue;
    ends++;
    if (s.request !== 'none') wrong.add('a request is not answered');
    if (s.answer) wrong.add('an answer is not seen');
    if (s.masked) wrong.add('a delivery is not unmasked');
    if (s.owner !== 'nobody') wrong.add('the seat is not given back');
  }
  return { states: seen.size, ends, wrong: [...wrong].sort() };
};

describe('lane and control thread, every interleaving of their atomic operations', () => {
  it.each([false, true])('leaves nothing undone; an answer to an error report is awaited: %s', (awaits) => {
    const { states, ends, wrong } = explore(awaits, 'none');
    expect(wrong).toEqual([]);
    expect([states > 1000, ends > 0]).toEqual([true, true]);
  });

  it.each([
    ['answer ignored', 'an answer is not seen'],
    ['missed ignored', 'an answer is not seen'],
    ['sleeps after settling', 'a delivery is not unmasked'],
    ['owed alone', 'a request is not answered'],
  ] as const)('finds a lane that is wrong: %s', (defect, what) => {
    expect(explore(true, defect).wrong).toContain(what);
  });
});
