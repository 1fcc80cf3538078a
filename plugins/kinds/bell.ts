// SPDX-License-Identifier: MIT

import type { PageReference } from '../../core/platform/index.ts';

/** Config space of functions and pages of guests, as a thread beside the control thread reaches them. */
export interface BellHardware {
  /** Reads config space through the function's file. @throws HostError when the host refuses */
  read(file: number, offset: number, size: 1 | 2 | 4): number;
  /** Writes config space through the function's file. @throws HostError when the host refuses */
  write(file: number, offset: number, size: 1 | 2 | 4, value: number): void;
  /** The memory of a mapped page, or of so many bytes. */
  page(reference: PageReference, bytes?: number): ArrayBufferLike;
}

/**
 * What an answering thread needs of the platform it runs on: events in and out, and hardware. The platform's module makes
 * it inside of that thread, see {@link BellModule}.
 *
 * Obligations: an event is reported once; its channel is masked from then on until {@link unmask}; an event that comes
 * meanwhile is reported after the unmask.
 */
export interface Bell {
  /** Ports of the events that the last {@link sleep} or {@link peek} found. */
  readonly ports: Uint32Array;
  /** Sleeps until there are events, or somebody rang. @returns how many are in {@link ports}; -1: some were lost */
  sleep(): number;
  /** As {@link sleep}, but returns at once. */
  peek(): number;
  /** Sends an event to the guest at the other end of this port. */
  notify(port: number): void;
  /** Ends the delivery of an event of this port. */
  unmask(port: number): void;
  readonly hardware: BellHardware;
  /** Gives this thread precedence over others of the host, or takes it away. @returns whether the host did it */
  hurry?(pace: 'urgent' | 'usual'): boolean;
  /** What a thread may use to try itself out before the first guest is there. No guest and no device is touched by it. */
  readonly rehearsal: {
    /** A port whose events and unmasks reach nobody. */
    readonly port: number;
    /** A file descriptor that can be read and written like that of a function; -1: there is none. */
    readonly file: number;
    /** A page of this process. */
    readonly page: PageReference;
  };
  /** Gives back what was opened for the bell, when the thread ends. Missing: nothing was. */
  close?(): void;
}

/** A module of a platform that an answering thread imports. */
export interface BellModule {
  /** @param own what the platform gave the thread to start with, as cloned between threads */
  makeBell(own: unknown): Bell | Promise<Bell>;
}
