// SPDX-License-Identifier: MIT

import { closeSync, writeSync } from 'node:fs';
import { describeError } from '../../core/errors/index.ts';
import { HostError } from '../../core/platform/index.ts';
import { library, type NativeLoader } from '../kinds/native.ts';
import { libcNames } from '../libc.ts';

/** The two calls that Node.js has not: it knows datagrams of UDP only, and streams of unix sockets. Source: socket(2), unix(7). */
const libc = library({
  names: libcNames,
  package: 'libc6',
  functions: {
    socket: ['int', ['int', 'int', 'int']],
    connect: ['int', ['int', 'buffer', 'uint32']],
  },
});

const AF_UNIX = 1;
/** SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC: nobody waits for a supervisor that does not read. */
const DATAGRAMS = 0x2 | 0x800 | 0x80000;
/** Bytes of `sun_path`. */
const LONGEST_PATH = 108;

/** `struct sockaddr_un`: the family, then a path, or a zero byte and a name of the abstract namespace. */
const addressOf = (name: string): Uint8Array => {
  const path = Buffer.from(name);
  if (!/^[/@]/.test(name) || path.length >= LONGEST_PATH) {
    throw new Error(`NOTIFY_SOCKET is "${name}": expected a path, or "@" and a name`);
  }
  const isAbstract = name.startsWith('@');
  if (isAbstract) path[0] = 0;
  const address = new Uint8Array(2 + path.length + (isAbstract ? 0 : 1));
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(path, 2);
  return address;
};

/** A supervisor that can be told things. */
export interface Notifier {
  /**
   * Sends assignments, `READY=1` or `STATUS=…`, as one message. Never waits and never throws.
   *
   * @returns why it could not be sent; `undefined`: it was
   */
  tell(...assignments: readonly string[]): string | undefined;
  close(): void;
}

/**
 * The notification socket of a service manager (sd_notify(3)).
 *
 * @param name as `NOTIFY_SOCKET` has it
 * @throws Error for a name that is none; HostError when nobody listens there; PcibackError `NATIVE_LIBRARY_MISSING`
 */
export const openNotifier = (native: NativeLoader, name: string): Notifier => {
  const { socket, connect } = native.bind(libc);
  const address = addressOf(name);
  const open = (): number => {
    const file = socket(AF_UNIX, DATAGRAMS, 0);
    if (file < 0) throw new HostError('socket', native.errno(), name);
    if (connect(file, address, address.length) >= 0) return file;
    const error = new HostError('connect', native.errno(), name);
    closeSync(file);
    throw error;
  };
  let file: number | undefined = open();
  const close = (): void => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  const send = (text: string): void => {
    file ??= open();
    writeSync(file, text);
  };
  return {
    tell(...assignments) {
      const text = assignments.join('\n');
      try {
        try {
          send(text);
        } catch (error) {
          // The supervisor has another socket at the same place since it was started anew.
          if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error;
          close();
          send(text);
        }
        return undefined;
      } catch (error) {
        return describeError(error);
      }
    },
    close,
  };
};
