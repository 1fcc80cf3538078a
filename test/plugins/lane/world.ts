// SPDX-License-Identifier: MIT

import { Dispatcher } from '../../../core/dispatcher/index.ts';
import type { Platform, TakeRefused } from '../../../core/platform/index.ts';
import { Flag, OP_START, Page } from '../../../core/ring/layout.ts';
import type { DeviceView, GuestView } from '../../../core/space/views.ts';
import { Connection } from '../../../core/xenbus/connection.ts';
import type { WatchPolicy } from '../../../plugins/kinds/answerer.ts';
import type { Bell } from '../../../plugins/kinds/bell.ts';
import { LaneLoop } from '../../../plugins/lane/lane-loop.ts';
import { Seat } from '../../../plugins/lane/seat.ts';
import { LaneCount, type LaneMessage, LaneWord, LEFT_WORK } from '../../../plugins/lane/thread-protocol.ts';
import { createManualClock } from '../../kit/index.ts';

const PORT = 5;

/** What a guest's request does when the control thread gets it. */
export interface SlowDevice {
  read(offset: number): number;
}

/** A table of one dword at offset 0 in memory, one at 4 in hardware, one at 8 that needs code. */
export const deviceView = (value: number, file = -1): DeviceView => {
  const words = (...list: number[]): Int32Array => Int32Array.from(list);
  return {
    size: 12,
    shadowed: words(-1, 0xffff, 0),
    shadow: words(value, 0x1234, 0),
    answered: words(-1, 0xffff, -1),
    through: words(0, 0, 0),
    own: words(0, 0, 0),
    reserved: words(0, 0, 0),
    // Writes are left to the control thread.
    coded: words(-1, -1, -1),
    behind: new Uint8Array(3),
    words: new Uint32Array(0),
    described: [],
    reads: new Uint32Array(12),
    writes: new Uint32Array(12),
    file,
  };
};

/** The same device with a table of writes: nobody may write 0, and 12 is a gate in memory that is open. */
export const writableView = (value: number): DeviceView => {
  const words = (...list: number[]): Int32Array => Int32Array.from(list);
  const gate = {
    kind: 'gated',
    own: 0,
    open: 1,
    closing: 2,
    free: 0,
    gate: 1,
    blockers: 0,
    through: 0,
    real: 0,
  } as const;
  return {
    size: 16,
    shadowed: words(-1, 0xffff, 0, -1),
    shadow: words(value, 0x1234, 0, 1),
    answered: words(-1, 0xffff, -1, -1),
    reads: new Uint32Array(16),
    writes: new Uint32Array(16),
    file: -1,
    through: words(0, 0, 0, 0),
    own: words(0, 0, 0, 0),
    reserved: words(0, 0, 0, 0),
    coded: words(0, 0, -1, -1),
    described: [null, null, null, { writes: gate, base: 0, mask: -1, reach: -1, shift: 0, offset: 12, size: 4 }],
    behind: new Uint8Array(4),
    words: Uint32Array.of(1, 1, 0),
  };
};

/** A refused write as it was recorded. */
export interface Recorded {
  readonly offset: number;
  readonly value: number;
  readonly times: number;
  /** Requests that had come to the dispatcher by then. */
  readonly dispatched: number;
}

/** One guest, its lane and its control thread, all moved by hand in this thread. */
export const laneWorld = (policy: WatchPolicy = { longest: 0, wakeUps: 1000, shortest: 0, patience: 0 }) => {
  const page = new SharedArrayBuffer(4096);
  const flags = new Int32Array(page);
  const op = new Int32Array(page, OP_START, 9);
  const clock = createManualClock();
  const laneWords = new SharedArrayBuffer(4 * LaneWord.words);
  const messages: LaneMessage[] = [];
  const told: number[] = [];
  const trace: string[] = [];
  const hurried: { pace: 'urgent' | 'usual'; at: number }[] = [];
  const recorded: Recorded[] = [];
  const ports = new Uint32Array(8);
  const state = { masked: false, pending: false, rung: false, hardware: 0xabcd0000, now: 0, obeys: true };
  const unmask = (): void => {
    trace.push('unmask');
    state.masked = false;
  };
  const ring = (): void => {
    state.rung = true;
  };
  const bell: Bell = {
    ports,
    sleep: () => {
      ports[0] = PORT;
      return world.whileAsleep?.() ?? 0;
    },
    peek: () => 0,
    hurry: (pace) => {
      trace.push(pace);
      hurried.push({ pace, at: state.now });
      return state.obeys;
    },
    notify: () => trace.push('notify'),
    unmask,
    hardware: {
      read: (file) => {
        trace.push(`read of file ${file}`);
        return state.hardware;
      },
      write: (file, offset, size, value) => {
        trace.push(`write of ${value} to file ${file} at ${offset}, ${size} bytes`);
      },
      page: (reference) => reference as SharedArrayBuffer,
    },
    rehearsal: { port: 0, file: -1, page },
  };
  const loop = new LaneLoop({
    bell,
    words: laneWords,
    counts: new SharedArrayBuffer(8 * LaneCount.counts),
    policy,
    inbox: () => messages.shift(),
    tell: (port) => told.push(port),
    // Every look at the clock takes a while, so that watching ends.
    now: () => {
      world.whileWatching?.();
      state.now += 0.01;
      return state.now;
    },
  });
  const dispatched: number[] = [];
  const dispatcher = new Dispatcher(
    {
      lookup: () => {
        dispatched.push(op[(Page.offset - OP_START) >> 2] as number);
        return undefined;
      },
    },
    (error) => {
      throw error;
    },
  );
  let seat: Seat | undefined;
  let listener: () => void = () => undefined;
  const words = new Int32Array(laneWords);
  const platform = {
    clock,
    grants: { map: () => ({ memory: page, reference: page, unmap: () => trace.push('unmap') }) },
    events: {
      bindInterdomain: (_domain: number, _port: number, heard: () => void) => {
        listener = heard;
        const close = () => trace.push('close');
        return { port: PORT, notify: () => trace.push('notify'), unmask, close };
      },
    },
    answerer: {
      seat: (channel: Seat, _page: unknown, leftWork: (refused: TakeRefused) => void) => {
        const send = (message: LaneMessage): void => {
          messages.push(message);
          Atomics.add(words, LaneWord.inbox, 1);
        };
        seat = new Seat({ channel, lane: words, send, ring, left: () => trace.push('left'), leftWork });
        send({ what: 'seat', port: PORT, page, words: seat.memory });
        return seat;
      },
      report: () => ({ guests: 1, watchedMs: 0, found: 0, inVain: 0, wakes: 0 }),
    },
  } as unknown as Platform;
  const leftWork = (refused: TakeRefused): void => {
    trace.push('left work');
    refused((_address, { offset, value, times }) => {
      recorded.push({ offset, value: value >>> 0, times, dispatched: dispatched.length });
    });
  };
  const keys = { grantReference: 1, eventChannel: 1 };
  const connection = new Connection(platform, keys, { domain: 1, dispatcher, leftWork });
  if (seat === undefined) throw new Error('the connection took no seat');
  const taken: Seat = seat;

  const world = {
    PORT,
    /** Tells the lane to end. */
    stop: (): void => {
      Atomics.store(words, LaneWord.stop, 1);
    },
    /** The lane runs until it is told to end. */
    run: (): void => loop.run(),
    /** What the lane's sleep does in {@link run}. @returns the number of events that end it */
    whileAsleep: undefined as (() => number) | undefined,
    /** Called whenever the lane looks at the clock. */
    whileWatching: undefined as (() => void) | undefined,
    /** Precedence that the lane asked for, and when. */
    hurried,
    recorded,
    clock,
    connection,
    seat: taken,
    words,
    dispatcher,
    /** Offsets of the requests that came to the dispatcher. */
    dispatched,
    told,
    trace,
    state,
    show: (devices: readonly (DeviceView | null)[], addresses = devices.map((_, index) => index)): void => {
      const view: GuestView = {
        addresses: Int32Array.from(addresses),
        devices,
        ...dispatcher.counters,
      };
      connection.show(() => view);
    },
    /** Puts a request into the page, a read unless `cmd` says otherwise, and sends the event. */
    ask: (offset: number, devfn = 0, size = 4, cmd = 0, value = 0): void => {
      op.fill(0);
      op[(Page.cmd - OP_START) >> 2] = cmd;
      op[(Page.devfn - OP_START) >> 2] = devfn;
      op[(Page.offset - OP_START) >> 2] = offset;
      op[(Page.size - OP_START) >> 2] = size;
      op[(Page.value - OP_START) >> 2] = value;
      Atomics.or(flags, 0, Flag.frontActive);
      state.pending = true;
    },
    /** The same with a write of four bytes. */
    askToWrite: (offset: number, value: number): void => world.ask(offset, 0, 4, 1, value),
    /** An event without a request. */
    nudge: (): void => {
      state.pending = true;
    },
    /** Clears the request's flag, as whoever answers does. */
    answer: (): void => void Atomics.and(flags, 0, ~Flag.frontActive),
    /** Whether the request in the page is answered. */
    get answered() {
      return (Atomics.load(flags, 0) & Flag.frontActive) === 0;
    },
    get err() {
      return op[(Page.err - OP_START) >> 2];
    },
    get value() {
      return (op[(Page.value - OP_START) >> 2] as number) >>> 0;
    },
    /** The lane hears what there is to hear. @returns whether it was woken */
    lane: (): boolean => {
      const event = state.pending && !state.masked;
      if (!event && !state.rung) return false;
      state.rung = false;
      if (event) {
        state.pending = false;
        state.masked = true;
        trace.push('event');
      }
      ports[0] = PORT;
      loop.wake(event ? 1 : 0);
      return true;
    },
    /** The control thread hears the lane. */
    control: (): boolean => {
      const port = told.shift();
      if (port === undefined) return false;
      if (port > LEFT_WORK) taken.catchUp();
      else if (port > 0) listener();
      else taken.missed();
      return true;
    },
    /** Until nobody has anything to do. */
    settle: (): void => {
      for (let steps = 0; world.lane() || world.control(); steps++) {
        if (steps > 1000) throw new Error('never settles');
      }
    },
  };
  return world;
};
