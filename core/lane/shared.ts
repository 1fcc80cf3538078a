// SPDX-License-Identifier: MIT

import type { PageReference } from '../platform/memory.ts';

export type { PageReference } from '../platform/memory.ts';

import type { PlacedQuiet } from '../space/quiet.ts';

/**
 * Who may touch a guest's page and its answer at this moment. Whoever is not the owner does not even look at the page:
 * it may be unmapped by then.
 */
export const Owner = {
  /** Free: the lane takes it for each look, the control thread when it has something to change. */
  nobody: 0,
  lane: 1,
  /** The control thread, from the hand-over of a request (or its own {@link SeatWord}) until it gives the seat back. */
  control: 2,
} as const;

/** Words that lane and control thread share about one guest; changed by atomic operations only. */
export const SeatWord = {
  /** One of {@link Owner}. */
  owner: 0,
  /** 1: a delivery whose unmask is still to come. Whoever swaps it to 0 unmasks: one unmask for each delivery. */
  owed: 1,
  /** 1: an event came while the control thread had the seat, so the page has to be looked at afterwards. */
  missed: 2,
  /** Counts up with each new {@link GuestView}. */
  version: 3,
  /** Requests that the lane has answered, modulo 2^32. */
  served: 4,
  /** 1: the control thread waits for the guest's answer to an error report, so no event may pass unseen. */
  awaits: 5,
  words: 8,
} as const;

/** Words that belong to the lane as a whole. */
export const LaneWord = {
  /** 1: the lane is awake and will look at every seat once more before it sleeps. */
  awake: 0,
  /** Counts up with each message to the lane. */
  inbox: 1,
  /** 1: the lane ends. */
  stop: 2,
  /** 1: the lane has ended, and may have died with a seat in its hands. */
  ended: 3,
  /** 1: the lane goes before other threads of the host. */
  urgent: 4,
  words: 5,
} as const;

/** What watching costs and brings, as 64-bit floats. */
export const LaneCount = {
  /** Milliseconds spent looking at pages without finding a request. */
  watched: 0,
  /** Requests found by looking, without an event. */
  found: 1,
  /** Times that watching ended without having found one. */
  inVain: 2,
  wakes: 3,
  /** Milliseconds from a ring to the lane at work, the least that was measured; 0: not measured yet. */
  wakeMs: 4,
  /** When the control thread has rung to measure it, in milliseconds of {@link sharedNow}; 0: it has not. */
  rung: 5,
  counts: 6,
} as const;

/** One device as the lane sees it: the arrays of its compiled table, in shared memory. One element per aligned dword. */
export interface DeviceView {
  /** Bytes of config space. */
  readonly size: number;
  /** Bits that a read takes from {@link shadow}. */
  readonly shadowed: Int32Array;
  readonly shadow: Int32Array;
  /** Bits that hardware does not answer. Those of them that are not shadowed need code. */
  readonly answered: Int32Array;
  /** Reads so far, per byte. */
  readonly reads: Uint32Array;
  /** File descriptor of the function's config space in this process; -1: hardware is left to the control thread. */
  readonly file: number;
  /** Memory of the function's config space, for reads; missing: through the file. */
  readonly page?: PageReference;
  /** What writes do; missing: they are left to the control thread. */
  readonly writes?: WriteView;
}

/** The rest of a compiled table: what becomes of a write. One element per aligned dword. */
export interface WriteView {
  /** Bits that go to hardware as written, and those of which a one does. */
  readonly writable: Int32Array;
  readonly ones: Int32Array;
  /** Bits of the shadow that the guest may change. */
  readonly own: Int32Array;
  /** Bits whose writes are ignored without counting as refused. */
  readonly reserved: Int32Array;
  /** Bits with a behaviour. */
  readonly coded: Int32Array;
  /** What writes to those do, where that is known as data. */
  readonly quiet: readonly (PlacedQuiet | null)[];
  /** 1: a behaviour has bits of this dword. */
  readonly behind: Uint8Array;
  /** State words of all behaviours, in shared memory. */
  readonly words: Uint32Array;
  /** Writes so far, per byte. */
  readonly counts: Uint32Array;
}

/** All that the lane knows about a guest. */
export interface GuestView {
  /** Virtual addresses, `segment << 16 | bus << 8 | devfn`, as signed 32 bits. */
  readonly addresses: Int32Array;
  /** The device at each address; `null`: the control thread answers for it. */
  readonly devices: readonly (DeviceView | null)[];
  /** Requests so far by command number, as the dispatcher counts them. */
  readonly requests: Float64Array;
  /** Answers so far by negated status. */
  readonly statuses: Float64Array;
  /** Where refused writes are noted for the control thread; see `Refusals`. */
  readonly refusals: SharedArrayBuffer;
}

/** What the control thread tells the lane. */
export type LaneMessage =
  | { readonly what: 'seat'; readonly port: number; readonly page: PageReference; readonly words: SharedArrayBuffer }
  | { readonly what: 'view'; readonly port: number; readonly view: GuestView }
  | { readonly what: 'leave'; readonly port: number };

/**
 * Added to the port of a seat in what the lane tells the control thread: the seat stays the lane's, but its guest's writes
 * have left something to be done: refusals to record, a gate to close.
 */
export const LEFT_WORK = 2 ** 32;

/** How long pages are looked at for a next request after an answer. */
export interface WatchPolicy {
  /** Longest watch in milliseconds; 0: never. */
  readonly longest: number;
  /** Longest watch in wake-ups: what the host takes from an event to the thread that it wakes, as measured at start. */
  readonly wakeUps: number;
  /** A watch after several in vain, in milliseconds. */
  readonly shortest: number;
  /** Watches in vain after which they are cut short. */
  readonly patience: number;
}

/** A policy and what it is measured in. */
export interface Watch {
  readonly policy: WatchPolicy;
  /** Milliseconds of a wake-up on this host. */
  readonly wakeMs: () => number;
}

/** Milliseconds of a wake-up on a host that was not measured. */
export const USUAL_WAKE = 0.05;

/** Milliseconds that only go forward, with a fine resolution: the same in all threads. */
export const sharedNow = (): number => Number(process.hrtime.bigint()) / 1e6;
