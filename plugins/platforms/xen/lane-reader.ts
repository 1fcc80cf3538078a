// SPDX-License-Identifier: MIT

import { extname } from 'node:path';
import type { NativeLoader } from '../../../core/platform/index.ts';
import type { WatchPolicy } from '../../../core/platform/watch.ts';
import { Lane } from '../../lane/index.ts';
import type { EventReader, ReaderTerms } from './event-reader.ts';

/** What the lane's thread needs of this platform. */
export interface XenLaneStart {
  /** The event device, read by the lane from now on. */
  readonly fd: number;
  readonly wakePort: number;
  /** Module of the foreign-function loader. */
  readonly loader: string;
  /** The nice value that the lane falls back to; `undefined`: it has no other. */
  readonly usualNice: number | undefined;
}

export interface LaneReaderOptions {
  readonly policy: WatchPolicy;
  /** The process's nice value without precedence; `undefined`: the lane takes none. */
  readonly usualNice: number | undefined;
}

/** A reader that answers, on its own thread, what needs no code, and delivers the rest. */
export interface LaneReader extends EventReader {
  readonly lane: Lane;
}

/** Sources and the compiled project differ in the ending of their files. */
const threadModule = new URL(`./lane-thread${extname(import.meta.url)}`, import.meta.url);

/** Starts the lane. `undefined` when the loader cannot be used in another thread. */
export const startLane = (
  { fd, wakePort, deliver, overflowed, failed, wake }: ReaderTerms,
  native: NativeLoader,
  { policy, usualNice }: LaneReaderOptions,
): LaneReader | undefined => {
  if (native.module === undefined) return undefined;
  const own: XenLaneStart = { fd, wakePort, loader: native.module, usualNice };
  const lane = new Lane({ module: threadModule, own, policy, ring: wake, deliver, lost: overflowed, failed });
  return {
    lane,
    stop: () => lane.halt(),
    get ended() {
      return lane.close();
    },
  };
};
