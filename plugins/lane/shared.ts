// SPDX-License-Identifier: MIT

import type { PageReference } from '../../core/platform/memory.ts';
import type { GuestView } from '../../core/space/views.ts';

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

/** Milliseconds that only go forward, with a fine resolution: the same in all threads. */
export const sharedNow = (): number => Number(process.hrtime.bigint()) / 1e6;
