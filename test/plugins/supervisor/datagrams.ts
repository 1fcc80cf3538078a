// SPDX-License-Identifier: MIT

import { closeSync, readSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { library, type NativeLoader } from '../../../plugins/kinds/native.ts';

const libc = library({
  names: ['libc.so.6'],
  package: 'libc6',
  functions: { socket: ['int', ['int', 'int', 'int']], bind: ['int', ['int', 'buffer', 'uint32']] },
});

/** What was sent to a unix datagram socket. */
export interface Datagrams {
  readonly messages: readonly string[];
  /** Resolves when a message has this line. */
  received(line: string, times?: number): Promise<void>;
  close(): void;
}

/** Receives datagrams at a path, or at `@name`, as a service manager does. */
export const receiveAt = (native: NativeLoader, name: string): Datagrams => {
  const { socket, bind } = native.bind(libc);
  const file = socket(1, 2 | 0x800, 0);
  const address = new Uint8Array(2 + Buffer.byteLength(name) + (name.startsWith('@') ? 0 : 1));
  address[0] = 1;
  address.set(Buffer.from(name.replace(/^@/, '\0')), 2);
  if (bind(file, address, address.length) < 0) throw new Error(`bind: errno ${native.errno()}`);
  const messages: string[] = [];
  const buffer = Buffer.alloc(4096);
  const take = (): void => {
    for (;;) {
      try {
        messages.push(buffer.toString('utf8', 0, readSync(file, buffer)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return;
        throw error;
      }
    }
  };
  return {
    get messages() {
      take();
      return messages;
    },
    received: async (line, times = 1) => {
      for (let waited = 0; waited < 15_000; waited += 20) {
        take();
        if (messages.filter((message) => message.split('\n').includes(line)).length >= times) return;
        await pause(20);
      }
      throw new Error(`no "${line}" in ${JSON.stringify(messages)}`);
    },
    close: () => closeSync(file),
  };
};
