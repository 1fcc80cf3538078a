// SPDX-License-Identifier: MIT

import { read } from 'node:fs';
import { Errno, HostError } from '../../../core/platform/index.ts';

/** Reads pending ports; replaceable, because only Xen has the device. Same contract as `fs.read` without position. */
export type ReadEvents = (
  fd: number,
  into: Buffer,
  done: (error: NodeJS.ErrnoException | null, bytes: number) => void,
) => void;

/** The device gives at most a page of ports, 4 bytes each. */
export const EVENT_BYTES = 4096;
/** IOCTL_EVTCHN_RESET: `_IOC(NONE, 'E', 5, 0)`; empties the queue after an overflow. No library function does it. */
export const RESET_REQUEST = 0x4505n;
/** IOCTL_EVTCHN_NOTIFY: `_IOC(NONE, 'E', 4, 4)`, a pointer to the port. */
export const NOTIFY_REQUEST = 0x44504n;

/** What a reader of the event device is started with. */
export interface ReaderTerms {
  /** The event device. */
  readonly fd: number;
  /** The port of {@link wake}'s events. Once delivered it is masked like any other. */
  readonly wakePort: number;
  /** An event of this port was read. The channel is masked now. */
  readonly deliver: (port: number) => void;
  /** The device's queue had overflowed: empties it, and has every channel looked at, because events of any may be lost. */
  readonly overflowed: () => void;
  /** The reader has ended although nobody told it to. */
  readonly failed: (error: Error) => void;
  /** Causes an event, which ends a read that waits. */
  readonly wake: () => void;
}

/** Reads the event device until it is told to stop. */
export interface EventReader {
  /** Ends it, without waiting. */
  stop(): void;
  /** Resolves when the device is not read any more. */
  readonly ended: Promise<void>;
}

const readDevice: ReadEvents = (fd, into, done) => read(fd, into, 0, into.length, null, done);

/** Waits for events inside a system call, on a thread of Node's pool, and delivers them on this thread. */
export const poolReader = (
  { fd, deliver, overflowed, failed, wake }: ReaderTerms,
  read: ReadEvents = readDevice,
): EventReader => {
  const buffer = Buffer.alloc(EVENT_BYTES);
  let stopping = false;
  let finished: () => void;
  const ended = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const next = (): void => {
    read(fd, buffer, (error, bytes) => {
      if (stopping) return finished();
      try {
        if (error === null) for (let at = 0; at + 4 <= bytes; at += 4) deliver(buffer.readUInt32LE(at));
        else if (error.code === 'EFBIG') overflowed();
        else if (error.code !== 'EINTR' && error.code !== 'EAGAIN') {
          throw new HostError('read of events', Math.abs(error.errno ?? Errno.EIO));
        }
        return next();
      } catch (failure) {
        finished();
        failed(failure instanceof Error ? failure : new Error(String(failure)));
      }
    });
  };
  next();
  return {
    stop() {
      stopping = true;
      wake();
    },
    ended,
  };
};
