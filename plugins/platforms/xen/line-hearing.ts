// SPDX-License-Identifier: MIT

import { closeSync, openSync, writeSync } from 'node:fs';
import { extname } from 'node:path';
import { type MessagePort, Worker } from 'node:worker_threads';
import { describeError } from '../../../core/errors/index.ts';
import type { Logger } from '../../../core/log.ts';
import { HostError } from '../../../core/platform/index.ts';
import { library, type NativeLoader } from '../../kinds/native.ts';
import { libcNames } from '../../libc.ts';
import type { FromLoop, ToLoop } from './line-loop.ts';
import type { LineThreadStart } from './line-thread.ts';

/** Told of one function. */
export interface LineEar {
  interrupts(count: number): void;
  /** Whether it is bus master, when that is another answer than before. */
  master(on: boolean): void;
}

/** One function whose interrupts are heard. */
export interface HeardLine {
  /** Whether it may raise its line. */
  open(state: 'on' | 'off'): void;
  /** @param master `keep`: its guest goes on */
  drop(master: 'keep' | 'lose'): void;
}

/** Hears interrupts of functions by their files. */
export interface LineHearing {
  /** @param uio path of `/dev/uioN` @param config path of its config space. @throws HostError */
  hear(uio: string, config: string, ear: LineEar): HeardLine;
  close(): Promise<void>;
}

const libc = library({ names: libcNames, package: 'libc6', functions: { eventfd: ['int', ['uint32', 'int']] } });
/** EFD_CLOEXEC and EFD_NONBLOCK. */
const BELL_FLAGS = 0o2000000 | 0o4000;
const RING = Buffer.alloc(8);
RING.writeBigUInt64LE(1n);

/** Sources and the compiled project differ in the ending of their files. */
const threadModule = new URL(`./line-thread${extname(import.meta.url)}`, import.meta.url);

const opened = (path: string, flags: 'r' | 'r+'): number => {
  try {
    return openSync(path, flags);
  } catch (error) {
    throw new HostError(`open of ${path}`, Math.abs((error as NodeJS.ErrnoException).errno ?? 5));
  }
};

/** A thread that waits inside of a system call for all of them: the process's pool has four, which others need. */
class Thread {
  readonly #ended: Promise<void>;
  readonly #thread: Worker;
  readonly #bell: number;
  readonly #outbox: MessagePort;

  constructor(native: NativeLoader, loader: string, told: (message: FromLoop) => void, failed: (error: Error) => void) {
    this.#bell = native.bind(libc).eventfd(0, BELL_FLAGS);
    if (this.#bell < 0) throw new HostError('eventfd', native.errno());
    const { port1, port2 } = new MessageChannel();
    this.#outbox = port1;
    const start: LineThreadStart = { bell: this.#bell, inbox: port2 as unknown as MessagePort, loader };
    const thread = new Worker(threadModule, {
      workerData: start,
      transferList: [port2 as unknown as MessagePort],
      name: 'lines',
      // It closes files that were opened for it.
      trackUnmanagedFds: false,
    });
    thread.on('message', told);
    thread.on('error', failed);
    this.#thread = thread;
    this.#ended = new Promise((resolve) => {
      thread.on('exit', () => resolve());
    });
    // It is told to end; a process that ends otherwise does not wait for it.
    thread.unref();
  }

  send(message: ToLoop): void {
    this.#outbox.postMessage(message);
    writeSync(this.#bell, RING);
  }

  async close(): Promise<void> {
    this.#thread.ref();
    this.send({ what: 'end' });
    await this.#ended;
    this.#outbox.close();
    closeSync(this.#bell);
  }
}

/** @returns `undefined` where the foreign-function loader cannot be used in another thread */
export const createLineHearing = (native: NativeLoader, log: Logger): LineHearing | undefined => {
  const { module } = native;
  if (module === undefined) return undefined;
  const ears = new Map<number, LineEar>();
  let thread: Thread | undefined;
  let slots = 0;
  const told = (message: FromLoop): void => {
    const ear = ears.get(message.slot);
    if (message.what === 'interrupts') ear?.interrupts(message.count);
    else ear?.master(message.on);
  };
  const failed = (error: Error): void =>
    log.error({ error: describeError(error) }, 'interrupts of shared lines are not heard any more');
  return {
    hear(uio, config, ear) {
      thread ??= new Thread(native, module, told, failed);
      const running = thread;
      const slot = slots++;
      const word = new Int32Array(new SharedArrayBuffer(4));
      const configFile = opened(config, 'r+');
      let uioFile: number;
      try {
        uioFile = opened(uio, 'r');
      } catch (error) {
        closeSync(configFile);
        throw error;
      }
      ears.set(slot, ear);
      running.send({ what: 'hear', slot, uio: uioFile, config: configFile, open: word });
      return {
        open(state) {
          Atomics.store(word, 0, state === 'on' ? 1 : 0);
          // What it raised before it was heard has set INTX_DISABLE, and comes no second time.
          if (state === 'on') running.send({ what: 'look', slot });
        },
        drop(master) {
          if (!ears.delete(slot)) return;
          Atomics.store(word, 0, 0);
          running.send({ what: 'drop', slot, keepMaster: master === 'keep' });
        },
      };
    },
    async close() {
      await thread?.close();
      thread = undefined;
    },
  };
};
