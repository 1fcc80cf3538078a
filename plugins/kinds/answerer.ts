// SPDX-License-Identifier: MIT

import type { Answerer, Platform } from '../../core/platform/index.ts';
import type { Durations } from '../histogram.ts';

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
  /** How long it took over its answers, each from the moment at which it saw the request. */
  readonly answers: Durations;
}

/** An answering thread that tells how it is doing. */
export interface ReportingAnswerer extends Answerer {
  /** Resolves when the thread hears events; those that came before are kept by the platform. */
  readonly ready: Promise<void>;
  report(): AnswererReport;
  /** Wakes the thread, so that its report shows that it runs. */
  wake(): void;
}

/** The answering thread of a platform; `undefined`: there is none, or it does not tell. */
export const reportingAnswerer = ({ answerer }: Pick<Platform, 'answerer'>): ReportingAnswerer | undefined =>
  answerer !== undefined && 'report' in answerer ? (answerer as ReportingAnswerer) : undefined;

/** An answering thread that runs. From its start on it hears all events of its platform, and nobody else does. */
export interface StartedAnswerer extends ReportingAnswerer {
  /** Tells the thread to end, without waiting for it. */
  halt(): void;
  /** Ends the thread; resolves when it has ended. No seat may be taken any more. */
  close(): Promise<void>;
}

/** Starts an answering thread. A plugin brings one with `host.answerers.add(name, factory)`. */
export type AnswererFactory = (terms: AnswererTerms) => StartedAnswerer;
