// SPDX-License-Identifier: MIT

import { createConnection, type Socket } from 'node:net';
import { Command, Header, MessageFlag, Region } from '../../plugins/platforms/vfio-user/messages.ts';

export interface ClientReply {
  readonly id: number;
  readonly command: number;
  readonly flags: number;
  readonly errno: number;
  readonly body: Buffer;
}

/** A message as bytes. @param flags of the header; missing: a command that wants a reply */
export const message = (command: number, body: Uint8Array = new Uint8Array(0), id = 1, flags = 0): Buffer => {
  const bytes = Buffer.alloc(Header.bytes + body.length);
  bytes.writeUInt16LE(id, Header.id);
  bytes.writeUInt16LE(command, Header.command);
  bytes.writeUInt32LE(bytes.length, Header.size);
  bytes.writeUInt32LE(flags, Header.flags);
  bytes.set(body, Header.bytes);
  return bytes;
};

/** 32-bit words, little-endian. */
export const words = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, 4 * i);
  return bytes;
};

/** What a client says first. */
export const versionBody = (text = '{"capabilities":{"max_msg_fds":8}}'): Buffer =>
  Buffer.concat([Buffer.from([0, 0, 0, 0]), Buffer.from(`${text}\0`)]);

/** Offset, region, count, and what is written. */
export const regionBody = (region: number, offset: number, count: number, data?: Uint8Array): Buffer =>
  Buffer.concat([words(offset % 2 ** 32, Math.floor(offset / 2 ** 32), region, count), data ?? Buffer.alloc(0)]);

/** A client over Node's sockets, which cannot pass descriptors. */
export class VfioUserClient {
  readonly socket: Socket;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
  #received: Buffer = Buffer.alloc(0);
  #id = 0;
  readonly #waiting: ((reply: ClientReply) => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.on('close', () => resolve());
      socket.on('error', () => resolve());
    });
    socket.on('data', (data) => this.#take(data));
  }

  /** Connects; with `greeting`, agrees on the version too. */
  static async connect(path: string, greeting: 'greeting' | 'silent' = 'greeting'): Promise<VfioUserClient> {
    const socket = createConnection(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const client = new VfioUserClient(socket);
    if (greeting === 'greeting') await client.ask(Command.version, versionBody());
    return client;
  }

  #take(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    while (this.#received.length >= Header.bytes) {
      const size = this.#received.readUInt32LE(Header.size);
      if (this.#received.length < size) return;
      const one = this.#received.subarray(0, size);
      this.#received = this.#received.subarray(size);
      this.#waiting.shift()?.({
        id: one.readUInt16LE(Header.id),
        command: one.readUInt16LE(Header.command),
        flags: one.readUInt32LE(Header.flags),
        errno: one.readUInt32LE(Header.errno),
        body: Buffer.from(one.subarray(Header.bytes)),
      });
    }
  }

  /** The next reply. */
  reply(): Promise<ClientReply> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      void this.closed.then(() => reject(new Error('the server closed the connection')));
    });
  }

  ask(command: number, body?: Uint8Array): Promise<ClientReply> {
    const reply = this.reply();
    this.#id = (this.#id + 1) & 0xffff;
    this.socket.write(message(command, body, this.#id));
    return reply;
  }

  async read(region: number, offset: number, count: number): Promise<Buffer> {
    const { errno, body } = await this.ask(Command.regionRead, regionBody(region, offset, count));
    if (errno !== 0) throw new Error(`read: errno ${errno}`);
    return body.subarray(16);
  }

  /** @returns the error number, 0: written */
  async write(region: number, offset: number, data: Uint8Array): Promise<number> {
    return (await this.ask(Command.regionWrite, regionBody(region, offset, data.length, data))).errno;
  }

  /** A config read of 1, 2 or 4 bytes. */
  async config(offset: number, size: 1 | 2 | 4): Promise<number> {
    return (await this.read(Region.config, offset, size)).readUIntLE(0, size);
  }

  async setConfig(offset: number, size: 1 | 2 | 4, value: number): Promise<number> {
    const data = Buffer.alloc(size);
    data.writeUIntLE(value >>> 0, 0, size);
    return this.write(Region.config, offset, data);
  }

  end(): void {
    this.socket.destroy();
  }
}

export const isError = ({ flags }: ClientReply): boolean => (flags & MessageFlag.error) !== 0;
