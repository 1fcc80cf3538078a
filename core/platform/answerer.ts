// SPDX-License-Identifier: MIT

import type { EventChannel, PageReference } from './memory.ts';

/** What an answering thread has done so far. */
export interface AnswererReport {
  readonly guests: number;
  /** Whether it goes before other threads of the host. */
  readonly urgent: boolean;
  /** Milliseconds of one CPU spent on looking at pages, whether a request was found or not. */
  readonly watchedMs: number;
  /** Milliseconds that a wake-up of the thread takes on this host; 0: not measured yet. */
  readonly wakeMs: number;
  /** Requests found by looking. */
  readonly found: number;
  readonly inVain: number;
  readonly wakes: number;
}

/**
 * The control thread's side of a guest that an answering thread serves, and the channel that the guest's worker is given:
 * an event reaches the worker only with the guest's page, and the worker's `unmask` gives the page back.
 */
export interface Seat extends EventChannel {
  /** Whether the thread has answered requests since this was asked last. */
  hasServed(): boolean;
  /** Does what writes that the thread answered have left to be done. */
  catchUp(): void;
  /** Does `work` while the thread keeps off the page and everything it answers from. */
  hold(work: () => void): void;
  /**
   * From the next request on the thread answers from this view, a `GuestView` of core/space. When it returns the old one
   * is not used any more.
   */
  show(view: object): void;
}

/** A thread beside the control thread that answers what needs no code. */
export interface Answerer {
  /**
   * From now on the thread looks after this channel and this page. It answers nothing before it is shown a view.
   *
   * @param leftWork does what writes that the thread answered have left; called while it keeps off
   */
  seat(channel: EventChannel, page: PageReference, leftWork: () => void): Seat;
  report(): AnswererReport;
}

/** Makes the answerer of one platform. */
export type AnswererFactory = (terms: never) => Answerer;
