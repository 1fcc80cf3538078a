// SPDX-License-Identifier: MIT

import { extname } from 'node:path';
import type { AnswererFactory, StartedAnswerer, WatchPolicy } from '../../kinds/answerer.ts';
import type { NativeLoader } from '../../kinds/native.ts';
import type { XenBellStart } from './bell.ts';
import type { EventReader, ReaderTerms } from './event-reader.ts';
import type { Pace } from './precedence.ts';

export interface AnsweringReaderOptions {
  /** Starts the thread. */
  readonly start: AnswererFactory;
  readonly policy: WatchPolicy;
  /** `undefined`: the thread takes no precedence. */
  readonly pace: Pace | undefined;
}

/** A thread that reads the event device, answers what needs no code of a plugin, and delivers the other events. */
export interface AnsweringReader extends EventReader {
  readonly answerer: StartedAnswerer;
}

/** Sources and the compiled project differ in the ending of their files. */
const bell = new URL(`./bell${extname(import.meta.url)}`, import.meta.url);

/** Starts the thread. `undefined` when the foreign-function loader cannot be used in another thread. */
export const startAnsweringReader = (
  { fd, wakePort, deliver, overflowed, failed, wake }: ReaderTerms,
  native: NativeLoader,
  { start, policy, pace }: AnsweringReaderOptions,
): AnsweringReader | undefined => {
  if (native.module === undefined) return undefined;
  const own: XenBellStart = { fd, wakePort, loader: native.module, pace };
  const answerer = start({ bell, own, policy, ring: wake, deliver, lost: overflowed, failed });
  return {
    answerer,
    stop: () => answerer.halt(),
    get ended() {
      return answerer.close();
    },
  };
};
