// SPDX-License-Identifier: MIT

import type { EventChannel, PageReference } from './memory.ts';

/**
 * A write of a guest that did not do everything it asked for. The object is used again for the next one: who keeps it
 * copies it. Bit patterns are signed 32-bit numbers: an unsigned one above 0x7fffffff would be an object on the heap.
 */
export interface RefusedWrite {
  /** Of the access, and its size in bytes. */
  readonly offset: number;
  readonly size: number;
  /** Bit pattern as written, `size` bytes. */
  readonly value: number;
  /** The refused bits of {@link value}; 0: none was. */
  readonly mask: number;
  /** How often the same was refused. */
  readonly times: number;
}

/** Takes the writes out that an answering thread has refused, each with its device's address as a view has it, oldest first. */
export type TakeRefused = (each: (address: number, write: RefusedWrite) => void) => void;

/**
 * The control thread's side of a guest that an answering thread serves. It is the event channel of whoever serves the
 * guest on the control thread: an event is delivered only together with the guest's page, and `unmask` gives the page back.
 */
export interface Seat extends EventChannel {
  /** Whether the thread has answered requests since this was asked last. */
  hasServed(): boolean;
  /** Does what writes that the thread answered have left to be done. */
  catchUp(): void;
  /** Does `work` while the thread keeps off the page and everything it answers from. */
  hold(work: () => void): void;
  /**
   * From the next request on the thread answers from this view. When it returns the old one is not used any more.
   *
   * @param view a `GuestView` of core/space, which lies above the platforms and is therefore not named here
   */
  show(view: object): void;
}

/** A thread beside the control thread that answers requests that need no code of a plugin. */
export interface Answerer {
  /**
   * From now on the thread looks after this channel and this page. It answers nothing before it is shown a view.
   *
   * @param leftWork does what writes that the thread answered have left; called while the thread keeps off the page
   */
  seat(channel: EventChannel, page: PageReference, leftWork: (refused: TakeRefused) => void): Seat;
}
