// SPDX-License-Identifier: MIT

import { chmodSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { describeError, fail, isPcibackError } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import { HostError } from '../../core/platform/index.ts';
import type { RunningOperation } from '../../core/plugin/index.ts';
import { type Answer, type ErrorAnswer, LONGEST_REQUEST, parseRequest } from './protocol.ts';

/** The operations that there are now. */
export type FindOperations = () => ReadonlyMap<string, RunningOperation>;

/** Clients at the same time; one more is told to come later. */
const MOST_CLIENTS = 8;
/** Milliseconds after which a client that says nothing is let go. */
const PATIENCE = 30_000;

const errorOf = (error: unknown): ErrorAnswer => {
  if (isPcibackError(error)) {
    const { code, message, solve, facts } = error;
    return { code, message, solve, facts };
  }
  const code = error instanceof HostError ? 'HOST' : 'DEFECT';
  return { code, message: describeError(error), solve: 'The log of the running pciback says more.', facts: {} };
};

const wrong = (what: string): ErrorAnswer => ({
  code: 'USAGE',
  message: what,
  solve: 'Use a client of the same version.',
  facts: {},
});

/** Answers the requests of one client, one after the other. Memory for it is bounded whatever it sends or does not read. */
class Client {
  readonly #socket: Socket;
  readonly #operations: FindOperations;
  #input = '';
  #busy = false;

  constructor(socket: Socket, operations: FindOperations) {
    this.#socket = socket;
    this.#operations = operations;
    socket.setEncoding('utf8');
    socket.setTimeout(PATIENCE, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('data', (text: string) => {
      this.#input += text;
      void this.#work();
    });
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    // What comes meanwhile stays in the kernel's buffer.
    this.#socket.pause();
    for (let end = this.#input.indexOf('\n'); end >= 0; end = this.#input.indexOf('\n')) {
      const line = this.#input.slice(0, end);
      this.#input = this.#input.slice(end + 1);
      await this.#send(await this.#answer(line));
    }
    this.#busy = false;
    if (this.#input.length > LONGEST_REQUEST) {
      await this.#send({ id: 0, ok: false, error: wrong('the request is too long') });
      this.#socket.destroy();
    } else this.#socket.resume();
  }

  async #answer(line: string): Promise<Answer> {
    if (line.length > LONGEST_REQUEST) return { id: 0, ok: false, error: wrong('the request is too long') };
    const request = parseRequest(line, this.#operations());
    if ('wrong' in request) return { id: request.id, ok: false, error: wrong(request.wrong) };
    try {
      return { id: request.id, ok: true, result: await request.operation.answer(request.args) };
    } catch (error) {
      return { id: request.id, ok: false, error: errorOf(error) };
    }
  }

  /** Resolves when the client has taken the answer, or is gone. */
  async #send(answer: Answer): Promise<void> {
    if (this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#socket.off('close', done);
        resolve();
      };
      this.#socket.once('close', done);
      this.#socket.write(`${JSON.stringify(answer)}\n`, done);
    });
  }
}

const statusOf = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });

/** Whether somebody listens there. */
const isAlive = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });

/** Makes the directory for this user alone, or checks that nobody else can put a socket there. */
const prepareDirectory = async (directory: string): Promise<void> => {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const facts = statusOf(directory);
  const uid = process.geteuid?.() ?? 0;
  const refuse = (why: string): never => fail('CONFIG_UNTRUSTED', { file: 'the control socket', path: directory, why });
  if (facts === undefined) return refuse('is gone');
  if (facts.uid !== uid) refuse(`belongs to user ${facts.uid}`);
  if ((facts.mode & 0o022) !== 0) refuse(`may be written by others (mode ${(facts.mode & 0o7777).toString(8)})`);
};

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    // The socket is made inside of this call: from its first moment on nobody else may connect.
    const before = process.umask(0o177);
    try {
      server.once('error', reject);
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });

/** The unix socket at which a running pciback takes requests: one line of JSON each, answered in order. */
export class ControlServer {
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
  }

  /**
   * Listens. Only the user of this process (root) can connect: directory 0700 when it is made here, socket 0600.
   *
   * @throws PcibackError `CONFIG_UNTRUSTED` for a directory that others may write, `USAGE` when another pciback listens
   * there
   */
  static async start(path: string, operations: FindOperations, log: Logger): Promise<ControlServer> {
    await prepareDirectory(dirname(path));
    if (statusOf(path) !== undefined) {
      if (await isAlive(path)) fail('USAGE', { what: `another pciback listens at ${path}`, nearest: undefined });
      unlinkSync(path);
    }
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      if (sockets.size >= MOST_CLIENTS) {
        socket.destroy();
        return;
      }
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      new Client(socket, operations);
    });
    await listen(server, path);
    chmodSync(path, 0o600);
    server.on('error', (error) => log.error({ error: describeError(error) }, 'control socket failed'));
    log.info({ path }, 'control socket open');
    return new ControlServer(server, sockets);
  }

  /** Clients that are connected now. */
  get clients(): number {
    return this.#sockets.size;
  }

  /** Takes no more requests; the socket goes with it. Calling it twice is harmless. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}
