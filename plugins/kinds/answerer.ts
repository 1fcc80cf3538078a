// SPDX-License-Identifier: MIT

import type { Answerer } from '../../core/platform/index.ts';

/** How long pages are looked at for a next request after an answer. Times are in milliseconds. */
export interface WatchPolicy {
  /** Longest watch; 0: never. */
  readonly longest: number;
  /** Longest watch in wake-ups of this host, if shorter. A wake-up lasts from an event until the thread it wakes runs. */
  readonly wakeUps: number;
  /** A watch after several in vain. */
  readonly shortest: number;
  /** Watches in vain after which they are cut short. */
  readonly patience: number;
  /** Part of one processor that watching for one guest may take in the long run, beyond wake-ups; missing: 0.2. */
  readonly share?: number;
}

/** What a platform gives to whoever starts an answering thread on it. All functions are called on the control thread. */
export interface AnswererTerms {
  /** URL of a {@link BellModule}, imported by the thread. */
  readonly bell: { readonly href: string };
  /** What `makeBell` is called with; can be cloned between threads. */
  readonly own: unknown;
  /** How long pages are looked at for a next request after an answer. */
  readonly policy: WatchPolicy;
  /** Ends the sleep of the thread: its bell's `sleep` returns. */
  readonly ring: () => void;
  /** An event of this port that the thread has no use for: the platform calls the channel's listener. */
  readonly deliver: (port: number) => void;
  /** Events were lost, and nobody knows of which ports. */
  readonly lost: () => void;
  /** The thread has ended although nobody told it to. No guest can be heard any more. */
  readonly failed: (error: Error) => void;
}

/** An answering thread that runs. From its start on it hears all events of its platform, and nobody else does. */
export interface StartedAnswerer extends Answerer {
  /** Resolves when the thread hears events; those that came before are kept by the platform. */
  readonly ready: Promise<void>;
  /** Tells the thread to end, without waiting for it. */
  halt(): void;
  /** Ends the thread; resolves when it has ended. No seat may be taken any more. */
  close(): Promise<void>;
}

/** Starts an answering thread. A plugin brings one with `host.answerers.add(name, factory)`. */
export type AnswererFactory = (terms: AnswererTerms) => StartedAnswerer;
