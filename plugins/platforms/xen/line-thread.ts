// SPDX-License-Identifier: MIT

import { closeSync, readSync, writeSync } from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { library, type NativeLoader } from '../../kinds/native.ts';
import { libcNames } from '../../libc.ts';
import { LineLoop, type LoopHost, type ToLoop } from './line-loop.ts';

/** What the thread is started with. */
export interface LineThreadStart {
  readonly bell: number;
  readonly inbox: MessagePort;
  /** Module of the foreign-function loader. */
  readonly loader: string;
}

const libc = library({
  names: libcNames,
  package: 'libc6',
  functions: { poll: ['int', ['buffer', 'ulong', 'int']] },
});

const COMMAND = 4;
/** `struct pollfd`: the descriptor, what is waited for, and what has come. */
const POLL_BYTES = 8;
const POLLIN = 1;

const hostOver = (native: NativeLoader): LoopHost => {
  const { poll } = native.bind(libc);
  const buffer = Buffer.alloc(8);
  /** @returns how many bytes were moved; `undefined`: the call was refused */
  const moved = (work: () => number): number | undefined => {
    try {
      return work();
    } catch {
      return undefined;
    }
  };
  let polled = Buffer.alloc(0);
  return {
    wait(files, ms) {
      if (polled.length !== files.length * POLL_BYTES) polled = Buffer.alloc(files.length * POLL_BYTES);
      for (const [index, file] of files.entries()) {
        polled.writeInt32LE(file, index * POLL_BYTES);
        polled.writeInt32LE(POLLIN, index * POLL_BYTES + 4);
      }
      // A signal ends it too: then nothing is ready, and everything is looked at.
      if (poll(polled, BigInt(files.length), ms) <= 0) return [];
      return [...files.keys()].filter((index) => polled.readUInt16LE(index * POLL_BYTES + 6) !== 0);
    },
    read(file, bytes) {
      return moved(() => readSync(file, buffer, 0, bytes, null)) === bytes ? buffer.readInt32LE(0) : undefined;
    },
    command(config) {
      return moved(() => readSync(config, buffer, 0, 4, COMMAND)) === 4 ? buffer.readUInt32LE(0) : undefined;
    },
    write(config, offset, value) {
      buffer[0] = value;
      moved(() => writeSync(config, buffer, 0, 1, offset));
    },
    now: () => performance.now(),
    close: (file) => closeSync(file),
  };
};

const { bell, inbox, loader } = workerData as LineThreadStart;
const { createLoader } = (await import(loader)) as { createLoader: () => Promise<NativeLoader> };
const host = hostOver(await createLoader());
const next = (): ToLoop | undefined => receiveMessageOnPort(inbox)?.message as ToLoop | undefined;
try {
  new LineLoop(host, bell, next, (message) => parentPort?.postMessage(message)).run();
} finally {
  // An open port would keep the thread from its end.
  inbox.close();
}
