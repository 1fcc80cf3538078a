// SPDX-License-Identifier: MIT

import type { PageReference } from '../../core/platform/memory.ts';
import type { GuestView } from '../../core/space/views.ts';
import { HISTOGRAM_WORDS } from '../histogram.ts';

/**
 * Who has a guest's seat: only that thread may touch the guest's page, its tables and its counts. The other one does not
 * even look at the page, because it may be unmapped by then.
 */
export const Owner = {
  /** Free: the lane takes it for each look at the page, the control thread when it has something to change. */
  nobody: 0,
  lane: 1,
  /** The control thread: it took the seat, or the lane handed it over together with a request. Until it gives it back. */
  control: 2,
} as const;

/** Indexes of the words that both threads share about one guest. They are changed by atomic operations only. */
export const SeatWord = {
  /** One of {@link Owner}. */
  owner: 0,
  /** 1: an event was delivered and its channel not unmasked yet. Whoever changes it from 1 to 0 unmasks, so once only. */
  owed: 1,
  /** 1: an event came while the control thread had the seat, so the lane has to look at the page afterwards. */
  missed: 2,
  /** Counts up with each new {@link GuestView}: the lane uses none that is older. */
  version: 3,
  /** Requests that the lane has answered, modulo 2^32. */
  served: 4,
  /** 1: the control thread waits for the guest's answer to an error report, so it has to be told of every event. */
  awaits: 5,
  /** How many words there are. */
  words: 8,
} as const;

/** Indexes of the words that both threads share about the lane as a whole. */
export const LaneWord = {
  /** 1: the lane is awake and will look at every guest once more before it sleeps. */
  awake: 0,
  /** Counts up with each message to the lane. */
  inbox: 1,
  /** 1: the lane has to end. */
  stop: 2,
  /** 1: the lane has ended, perhaps by a defect while it had a seat. */
  ended: 3,
  /** 1: the lane goes before other threads of the host. */
  urgent: 4,
  /** Counts up while the lane goes on: it stands still when the lane sleeps, or when the host holds it up. */
  beat: 5,
  /** How many words there are. */
  words: 6,
} as const;

/** Indexes of what the lane counts, as 64-bit floats. */
export const LaneCount = {
  /** Milliseconds spent looking at pages without finding a request. */
  watched: 0,
  /** Requests found by looking, without an event. */
  found: 1,
  /** How often the lane stopped watching because no request came. */
  inVain: 2,
  wakes: 3,
  /** Milliseconds from a ring of the control thread until the lane runs, the least that was measured; 0: none was yet. */
  wakeMs: 4,
  /** When the control thread rang to have that measured, in milliseconds of {@link sharedNow}; 0: it did not. */
  rung: 5,
  /** First word of the histogram of the time that answers took. */
  answers: 6,
  /** How many counts there are. */
  counts: 6 + HISTOGRAM_WORDS,
} as const;

/** What the lane answers from. */
export interface LaneView extends GuestView {
  /** Where refused writes are noted for the control thread; see `Refusals`. */
  readonly refusals: SharedArrayBuffer;
}

/** What the control thread tells the lane: of a new guest, of what a guest has now, of one that is gone. */
export type LaneMessage =
  | {
      readonly what: 'seat';
      readonly port: number;
      readonly page: PageReference;
      readonly words: SharedArrayBuffer;
      /** Part of a processor that watching for it may take; missing: as the policy says. */
      readonly share?: number;
    }
  | { readonly what: 'view'; readonly port: number; readonly view: LaneView }
  | { readonly what: 'leave'; readonly port: number };

/**
 * The lane adds it to a guest's port when it tells the control thread, without giving the seat away, that writes of the
 * guest have left work: refusals to record, decode that has to be switched off.
 */
export const LEFT_WORK = 2 ** 32;

/** Milliseconds that only go forward, with a fine resolution: the same in all threads. */
export const sharedNow = (): number => Number(process.hrtime.bigint()) / 1e6;
