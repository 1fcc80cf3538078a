// SPDX-License-Identifier: MIT

import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import { Flag, Page, Status } from '../../../core/ring/layout.ts';
import type { Bell } from '../../../plugins/kinds/bell.ts';
import { LaneLoop } from '../../../plugins/lane/lane-loop.ts';
import { rehearse, type Surroundings } from '../../../plugins/lane/rehearsal.ts';
import {
  LaneCount,
  type LaneMessage,
  LaneWord,
  LEFT_WORK,
  SeatWord,
  sharedNow,
} from '../../../plugins/lane/thread-protocol.ts';

const PORT = 40;
const FILE = 9;
const GUEST = 3;
/** Requests of a rehearsal at the least; the engine compiles what has run about as often. */
const ENOUGH = 5000;

/** A lane and its bell, in this thread. */
const rehearsalWorld = () => {
  const words = new SharedArrayBuffer(4 * LaneWord.words);
  const counts = new SharedArrayBuffer(8 * LaneCount.counts);
  const { port1: outbox, port2: inbox } = new MessageChannel();
  const told: number[] = [];
  const hurried: string[] = [];
  const writtenAt = new Set<number>();
  const done = { notified: 0, unmasked: 0, read: 0, written: 0 };
  const bell: Bell = {
    ports: new Uint32Array(8),
    sleep: () => {
      throw new Error('a rehearsal never sleeps');
    },
    peek: () => 0,
    notify: () => {
      done.notified++;
    },
    unmask: () => {
      done.unmasked++;
    },
    hardware: {
      read: () => {
        done.read++;
        return 0;
      },
      write: (_file, offset) => {
        done.written++;
        writtenAt.add(offset & ~3);
      },
      page: (reference) => reference as SharedArrayBuffer,
    },
    hurry: (pace) => {
      hurried.push(pace);
      return true;
    },
    rehearsal: { port: PORT, file: FILE, page: new SharedArrayBuffer(Page.bytes) },
  };
  const own: Surroundings = { clock: undefined, inbox };
  let around = own;
  const loop = new LaneLoop({
    bell,
    words,
    counts,
    policy: { longest: 1, wakeUps: 1000, shortest: 0.05, patience: 3 },
    inbox: () => receiveMessageOnPort(around.inbox)?.message as LaneMessage | undefined,
    tell: (port) => told.push(port),
    now: () => around.clock?.() ?? sharedNow(),
  });
  const obeyed: LaneMessage[] = [];
  const obey = loop.obey.bind(loop);
  vi.spyOn(loop, 'obey').mockImplementation((message) => {
    obeyed.push(message);
    obey(message);
  });
  const announce = (): void => void Atomics.add(new Int32Array(words), LaneWord.inbox, 1);
  /** Answered by command, in the view that is in force, and handed over. */
  const requests = () => {
    const views = obeyed.flatMap((message) => (message.what === 'view' ? [message.view] : []));
    const served = obeyed.flatMap((message) => (message.what === 'seat' ? [new Int32Array(message.words)] : []));
    return {
      answered: (views[0] === undefined ? [] : [...views[0].requests]).reduce((sum, one) => sum + one, 0),
      statuses: views[0] === undefined ? [] : [...views[0].statuses],
      served: served[0]?.[SeatWord.served],
      handedOver: told.filter((port) => port === PORT).length,
      leftWork: told.filter((port) => port === PORT + LEFT_WORK).length,
      dwords: writtenAt.size,
      ...done,
    };
  };
  /** What had been asked when each part began. */
  const parts: ReturnType<typeof requests>[] = [];
  return {
    bell,
    loop,
    outbox,
    told,
    hurried,
    obeyed,
    parts,
    counts: new Float64Array(counts),
    send: (message: LaneMessage): void => {
      outbox.postMessage(message);
      announce();
    },
    requests,
    rehearse: (): void => {
      rehearse({
        loop,
        bell,
        announce,
        surround: (other) => {
          parts.push(requests());
          around = other;
        },
      });
      around = own;
    },
    end: (): void => outbox.close(),
  };
};

const rehearsed = () => {
  const world = rehearsalWorld();
  world.rehearse();
  world.end();
  return world;
};

describe('a rehearsal', () => {
  it('ends, after thousands of requests of every kind, some of which it hands over', () => {
    const { answered, statuses, served, handedOver, leftWork, notified, read, written, dwords } =
      rehearsed().requests();
    expect(answered).toBeGreaterThan(ENOUGH);
    expect(served).toBe(answered);
    expect(handedOver).toBeGreaterThan(100);
    expect(leftWork).toBeGreaterThan(100);
    for (const count of [notified, read, written]) expect(count).toBeGreaterThan(100);
    // Registers that are hardware's, whole and in part, and one with a behaviour.
    expect(dwords).toBe(3);
    // Success, and a device that is not there.
    for (const count of statuses.slice(0, 2)) expect(count).toBeGreaterThan(100);
    // A register that refuses every change.
    expect(statuses[-Status.accessDenied]).toBeGreaterThan(100);
  });

  it('tells of its own guest only', () => {
    expect([...new Set(rehearsed().told)].sort()).toEqual([PORT, PORT + LEFT_WORK]);
  });

  it('leaves a lane that knows no guest', () => {
    const { bell, loop, told, obeyed } = rehearsed();
    expect(obeyed.at(-1)).toEqual({ what: 'leave', port: PORT });
    told.length = 0;
    bell.ports[0] = PORT;
    loop.wake(1);
    loop.wake(0);
    expect(told).toEqual([-PORT]);
  });

  it('takes no precedence', () => {
    expect(rehearsed().hurried).toEqual([]);
  });

  it('counts for nothing when the lane has forgotten it', () => {
    const { counts, loop } = rehearsed();
    for (const index of [LaneCount.wakes, LaneCount.found, LaneCount.watched]) expect(counts[index]).toBeGreaterThan(0);
    loop.forget();
    expect([...counts]).toEqual(Array.from({ length: LaneCount.counts }, () => 0));
  });

  it('keeps what the control thread says meanwhile for afterwards', () => {
    const world = rehearsalWorld();
    const page = new SharedArrayBuffer(Page.bytes);
    const words = new SharedArrayBuffer(4 * SeatWord.words);
    world.send({ what: 'seat', port: GUEST, page, words });
    world.rehearse();
    expect(world.obeyed.filter(({ port }) => port !== PORT)).toEqual([]);
    world.told.length = 0;
    world.loop.forget();
    Atomics.or(new Int32Array(page), Page.flags >> 2, Flag.frontActive);
    world.loop.wake(0);
    expect(world.told).toEqual([GUEST]);
    world.end();
  });

  it('does the same each time, as long as the time is its own', () => {
    const [one, other] = [rehearsed().parts, rehearsed().parts];
    // Around it in turn: the host's clock, to begin with; its own; and the host's again.
    const [, , first] = one;
    expect(first?.answered).toBeGreaterThan(ENOUGH / 4);
    expect(other[2]).toEqual(first);
  });
});
