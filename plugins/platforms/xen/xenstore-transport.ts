// SPDX-License-Identifier: MIT

import { close as closeFd, open as openFd, read as readFd, write as writeFd, writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describeError } from '../../../core/errors/index.ts';
import { encodeFrame, HEADER_BYTES, MAX_PAYLOAD, MessageType, strings } from './xenstore-wire.ts';

/** Who wants to hear of what arrives. */
export interface TransportListener {
  data(chunk: Uint8Array): void;
  /** The connection ended, for this reason. Never called after `close`. */
  ended(why: string): void;
}

/** A connection that carries messages to the store and bytes back. */
export interface StoreTransport {
  readonly address: string;
  readonly maxPayload: number;
  /**
   * True for the device. It refuses a message by failing the write, and its confirmation of a watch does not name the
   * request. A watch that is written while the reply to another request is on its way locks up the kernel's own access
   * to the store, for the whole domain (seen on Linux 6.1): so no request may be sent before the last one is answered.
   */
  readonly oneAtATime: boolean;
  listen(listener: TransportListener): void;
  /** Sends one whole message, in the order of the calls. Rejects with the system's error. */
  send(message: Buffer): Promise<void>;
  close(): Promise<void>;
}

const socketTransport = (address: string, socket: Socket): StoreTransport => {
  let closed = false;
  return {
    address,
    maxPayload: MAX_PAYLOAD,
    oneAtATime: false,
    listen(listener) {
      let failure: string | undefined;
      socket.on('data', (chunk) => {
        if (!closed) listener.data(chunk);
      });
      socket.on('error', (error) => {
        failure = error.message;
      });
      socket.on('close', () => {
        if (!closed) listener.ended(failure ?? 'the server closed the connection');
      });
    },
    send: (message) =>
      new Promise((resolve, reject) => {
        socket.write(message, (error) => (error ? reject(error) : resolve()));
      }),
    close: () =>
      new Promise((resolve) => {
        closed = true;
        if (socket.closed) return resolve();
        socket.once('close', () => resolve());
        socket.destroy();
      }),
  };
};

/** Connects to the store's unix socket. Rejects with the system's error. */
export const connectSocket = (address: string): Promise<StoreTransport> =>
  new Promise((resolve, reject) => {
    const socket = connect(address);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socketTransport(address, socket));
    });
  });

/** The device file, as far as the transport uses it; replaceable, because only Xen has it. */
export interface DeviceFile {
  /** Waits for bytes, as long as it takes; resolves with their number. */
  read(into: Buffer): Promise<number>;
  write(message: Buffer): Promise<void>;
  /** Writes at once, on this thread. */
  writeNow(message: Buffer): void;
  close(): Promise<void>;
}

const openDeviceFile = (address: string): Promise<DeviceFile> =>
  new Promise((resolve, reject) => {
    openFd(address, 'r+', (error, fd) => {
      if (error) return reject(error);
      resolve({
        read: (into) =>
          new Promise((done, failed) => {
            readFd(fd, into, 0, into.length, null, (why, count) => (why ? failed(why) : done(count)));
          }),
        write: (message) =>
          new Promise((done, failed) => {
            writeFd(fd, message, (why) => (why ? failed(why) : done()));
          }),
        writeNow: (message) => {
          writeSync(fd, message);
        },
        close: () =>
          new Promise((done, failed) => {
            closeFd(fd, (why) => (why ? failed(why) : done()));
          }),
      });
    });
  });

/**
 * The store over a device file.
 *
 * The reader waits inside a system call on a pool thread and nothing but an answer ends that. So the end of the
 * transport, and of the process, is a harmless request: without it the process would never exit.
 */
export const deviceTransport = (address: string, file: DeviceFile): StoreTransport => {
  const wake = encodeFrame({ type: MessageType.read, request: 0, transaction: 0, payload: strings('domid') });
  const wakeAtExit = (): void => file.writeNow(wake);
  let closed = false;
  /** The reader has left the system call for good. */
  let ended = false;
  let reading: Promise<void> = Promise.resolve();
  let writing: Promise<void> = Promise.resolve();

  const readAll = async (listener: TransportListener): Promise<void> => {
    const chunk = Buffer.alloc(HEADER_BYTES + MAX_PAYLOAD);
    try {
      while (!closed) {
        const count = await file.read(chunk);
        if (closed) return;
        if (count === 0) throw new Error('end of file');
        listener.data(chunk.subarray(0, count));
      }
    } catch (error) {
      ended = true;
      if (!closed) listener.ended(describeError(error));
    }
  };

  return {
    address,
    // The device takes a message of 4096 bytes with its header.
    maxPayload: MAX_PAYLOAD - HEADER_BYTES,
    oneAtATime: true,
    listen(listener) {
      process.on('exit', wakeAtExit);
      reading = readAll(listener).finally(() => process.off('exit', wakeAtExit));
    },
    send(message) {
      // Bytes behind the end of a message in the same write are lost, so each message is a write of its own.
      const sent = writing.then(() => file.write(message));
      writing = sent.catch(() => undefined);
      return sent;
    },
    async close() {
      if (closed) return;
      closed = true;
      await writing;
      // Not through the pool: the readers of others may fill it, and only this write gets ours out.
      if (!ended) file.writeNow(wake);
      await reading;
      await file.close();
    },
  };
};

/** Opens the store's device file. Rejects with the system's error. */
export const openDevice = async (address: string): Promise<StoreTransport> =>
  deviceTransport(address, await openDeviceFile(address));
