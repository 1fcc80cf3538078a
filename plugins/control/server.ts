// SPDX-License-Identifier: MIT

import { createServer, type Server, type Socket } from 'node:net';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import { HostError } from '../../core/platform/index.ts';
import { problem } from '../errors.ts';
import type { RunningOperation } from '../kinds/part.ts';
import { type Answer, type ErrorAnswer, LONGEST_REQUEST, parseRequest, STILL_AT_WORK } from './protocol.ts';
import { listenAt } from './socket-file.ts';

/** The operations that there are now. */
export type FindOperations = () => ReadonlyMap<string, RunningOperation>;

/** Clients at the same time; one more is told so. */
const MOST_CLIENTS = 8;
/** Milliseconds after which a client that says nothing, and waits for nothing, is let go. */
const PATIENCE = 30_000;
/** Milliseconds that one gets to hear that there are too many. */
const LAST_WORD = 1000;

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

/** Says why, and lets go of a client for which there is no place. */
const turnAway = (socket: Socket): void => {
  const { code, message, solve, facts } = problem('CONTROL_BUSY', { clients: MOST_CLIENTS });
  const answer: Answer = { id: 0, ok: false, error: { code, message, solve, facts } };
  socket.on('error', () => socket.destroy());
  socket.setTimeout(LAST_WORD, () => socket.destroy());
  socket.resume();
  // It stays open for reading until the client has gone: whoever writes to a closed one hears of that only.
  socket.end(`${JSON.stringify(answer)}\n`);
};

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
    const atWork = setInterval(() => this.#socket.write(' '), STILL_AT_WORK).unref();
    try {
      return { id: request.id, ok: true, result: await request.operation.answer(request.args) };
    } catch (error) {
      return { id: request.id, ok: false, error: errorOf(error) };
    } finally {
      clearInterval(atWork);
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

/** The unix socket at which a running pciback takes requests: one line of JSON each, answered in order. */
export class ControlServer {
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  readonly #remove: () => void;

  private constructor(server: Server, sockets: Set<Socket>, remove: () => void) {
    this.#server = server;
    this.#sockets = sockets;
    this.#remove = remove;
  }

  /**
   * Listens. Only the user of this process (root) can connect.
   *
   * @throws PcibackError `CONFIG_UNTRUSTED`, `CONTROL_SOCKET`
   */
  static async start(path: string, operations: FindOperations, log: Logger): Promise<ControlServer> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      if (sockets.size >= MOST_CLIENTS) {
        turnAway(socket);
        return;
      }
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      new Client(socket, operations);
    });
    const remove = await listenAt(server, path);
    server.on('error', (error) => log.error({ error: describeError(error) }, 'control socket failed'));
    log.info({ path }, 'control socket open');
    return new ControlServer(server, sockets, remove);
  }

  /** Clients that are connected now. */
  get clients(): number {
    return this.#sockets.size;
  }

  /** Takes no more requests; the socket goes with it. Calling it twice is harmless. */
  async close(): Promise<void> {
    this.#remove();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}
