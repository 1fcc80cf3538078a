// SPDX-License-Identifier: MIT

import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { Errno, HostError } from '../../../core/platform/index.ts';
import type { Bell, BellModule } from '../../kinds/bell.ts';
import { library, type NativeLoader } from '../../kinds/native.ts';
import { libcNames } from '../../libc.ts';
import { EVENT_BYTES, NOTIFY_REQUEST } from './event-reader.ts';
import { hurryBetween, type Pace } from './precedence.ts';

const PAGE_BYTES = 4096;

/** What the answering thread needs of this platform. */
export interface XenBellStart {
  /** The event device; nobody else reads it from now on. */
  readonly fd: number;
  /** The port of the channel that ends a sleep. */
  readonly wakePort: number;
  /** Module of the foreign-function loader. */
  readonly loader: string;
  /** Nice values of the thread; `undefined`: it keeps the one that it has. */
  readonly pace: Pace | undefined;
}

/** C functions that are called directly: Node has none for the same, or one that allocates memory at each call. */
const libc = library({
  names: libcNames,
  package: 'libc6',
  functions: {
    ioctl: ['int', ['int', 'ulong', 'buffer']],
    /** The result is at most 4 here, so the declared `int` holds it. */
    pread: ['int', ['int', 'buffer', 'size', 'size']],
    pwrite: ['int', ['int', 'buffer', 'size', 'size']],
    calloc: ['pointer', ['size', 'size']],
    free: ['void', ['pointer']],
    poll: ['int', ['buffer', 'ulong', 'int']],
  },
});

/** Numbers that these functions take as bigint. They are made once, because each new one allocates memory. */
const sizes: Readonly<Record<1 | 2 | 4, bigint>> = { 1: 1n, 2: 2n, 4: 4n };
const offsets = Array.from({ length: PAGE_BYTES }, (_, offset) => BigInt(offset));

/** The bell over the event device. */
const bellOver = (native: NativeLoader, { fd, wakePort, pace }: XenBellStart): Bell => {
  const { calloc, free, ioctl, poll, pread, pwrite } = native.bind(libc);
  const ports = new Uint32Array(EVENT_BYTES / 4);
  const events = Buffer.from(ports.buffer);
  /** The port of a call, in the memory that the call reads. */
  const named = new Uint32Array(1);
  const namedBytes = Buffer.from(named.buffer);
  /** struct pollfd: the descriptor, POLLIN, and room for the answer. */
  const polled = Buffer.alloc(8);
  polled.writeInt32LE(fd, 0);
  polled.writeInt16LE(1, 4);
  const config = Buffer.alloc(4);
  const configWords = new Int32Array(config.buffer, config.byteOffset, 1);
  const spare = calloc(1n, BigInt(PAGE_BYTES));
  if (spare === null) throw new HostError('calloc', native.errno());
  /** Reads as zeros and takes what is written, as config space of a function that does nothing. */
  const zeros = openSync('/dev/zero', 'r+');
  const notify = (port: number): void => {
    named[0] = port;
    // ENOTCONN: the guest is gone. The control thread finds that out by itself.
    if (ioctl(fd, NOTIFY_REQUEST, namedBytes) < 0 && native.errno() !== Errno.ENOTCONN) {
      throw new HostError('notify', native.errno(), `port ${port}`);
    }
  };
  const unmask = (port: number): void => {
    named[0] = port;
    writeSync(fd, namedBytes, 0, 4, null);
  };
  /** Takes out the port that only ends sleeps. @returns how many ports are left */
  const withoutOwn = (count: number): number => {
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const port = ports[i] as number;
      if (port === wakePort) unmask(port);
      else ports[kept++] = port;
    }
    return kept;
  };
  const take = (): number => {
    try {
      return withoutOwn(readSync(fd, events, 0, EVENT_BYTES, null) >> 2);
    } catch (error) {
      const { code, errno } = error as NodeJS.ErrnoException;
      if (code === 'EINTR' || code === 'EAGAIN') return 0;
      if (code !== 'EFBIG') throw new HostError('read of events', Math.abs(errno ?? Errno.EIO));
      unmask(wakePort);
      return -1;
    }
  };
  return {
    ports,
    sleep: take,
    peek: () => (poll(polled, 1n, 0) > 0 ? take() : 0),
    notify,
    unmask,
    hardware: {
      read(file, offset, size) {
        if (pread(file, config, sizes[size], offsets[offset] as bigint) !== size) {
          throw new HostError('read of config space', native.errno());
        }
        return configWords[0] as number;
      },
      write(file, offset, size, value) {
        configWords[0] = value;
        if (pwrite(file, config, sizes[size], offsets[offset] as bigint) !== size) {
          throw new HostError('write of config space', native.errno());
        }
      },
      page(reference, bytes = PAGE_BYTES) {
        if (typeof reference !== 'bigint') return reference;
        return native.view(native.pointer(reference), bytes);
      },
    },
    ...(pace === undefined ? {} : { hurry: hurryBetween(pace) }),
    rehearsal: { port: wakePort, file: zeros, page: native.address(spare) },
    close() {
      closeSync(zeros);
      free(spare);
    },
  };
};

/** Makes the bell of the answering thread of this platform, in that thread. */
export const makeBell: BellModule['makeBell'] = async (own) => {
  const start = own as XenBellStart;
  const { createLoader } = (await import(start.loader)) as { createLoader: () => Promise<NativeLoader> };
  return bellOver(await createLoader(), start);
};
