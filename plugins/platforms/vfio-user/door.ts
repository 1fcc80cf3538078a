// SPDX-License-Identifier: MIT

import { describeError } from '../../../core/errors/index.ts';
import type { Logger } from '../../../core/log.ts';
import type { Client } from './client.ts';
import type { Post } from './post.ts';
import { PollEvent, Poller, type Sockets } from './sockets.ts';

/** Most sockets of one process. */
export const MAX_POSTS = 1024;

/**
 * Milliseconds for which a next message is looked for after one, before that is left to another thread; and for which only the
 * client that asked last is looked at.
 */
const LINGER_MS = 0.1;
/** Milliseconds of serving after which everything else in this process gets its turn. */
const TURN_MS = 2;

/**
 * Serves all clients of one process, on its control thread. It waits for them on a thread of the process's pool, which
 * costs two wake-ups; after each message it looks for the next one itself for a short time, so a burst costs one. It looks
 * without waiting and offers its processor to others in between: a wait that ends by itself sets a timer, which on a virtual
 * machine costs as much as the rest of the answer.
 *
 * Each client has one message worked on a round, whatever it sends; one that is alone in a round has the next 0.1 ms. Nobody is waited for: neither the rest of a message, nor
 * a reader, nor a device.
 */
export class Door {
  readonly #sockets: Sockets;
  readonly #log: Logger;
  readonly #poller: Poller;
  readonly #posts: Post[] = [];
  /** Place of each post in the poller's list; -1: it is not waited for. */
  readonly #slots: number[] = [];
  #running: Promise<void> | undefined;
  /** A client has sent more than it was served in its last turn: there is nothing to wait for then. */
  #hasMore = false;
  /** Who was answered in the last round, if nobody else had something to do in it. */
  #alone: Client | undefined;
  #closed = false;
  /** What waits is gone too. */
  #isGone = false;

  constructor(sockets: Sockets, log: Logger) {
    this.#sockets = sockets;
    this.#log = log;
    this.#poller = new Poller(sockets, MAX_POSTS);
    // A process ends when the threads of its pool have: the one that waits is told.
    process.once('exit', this.wake);
  }

  get posts(): readonly Post[] {
    return this.#posts;
  }

  /** Serves what comes to this socket from now on. */
  add(post: Post): void {
    this.#posts.push(post);
    this.wake();
    this.#running ??= this.#run();
  }

  /** Serves this socket no longer. The device is back when it resolves. */
  async remove(post: Post): Promise<void> {
    this.#posts.splice(this.#posts.indexOf(post), 1);
    // The thread that waits has the list with its descriptors still.
    this.wake();
    await post.close();
  }

  /** There is something else to wait for: a client, a device that has settled. */
  readonly wake = (): void => {
    if (!this.#isGone) this.#poller.wake();
  };

  async #run(): Promise<void> {
    try {
      while (!this.#closed) {
        this.#list();
        if ((await this.#poller.later()) < 0) continue;
        while (!this.#closed && this.#serve()) await new Promise((resolve) => setImmediate(resolve));
      }
    } catch (error) {
      this.#log.error({ error: describeError(error) }, 'clients cannot be heard any more');
    }
  }

  /** Makes the list of what is waited for. */
  #list(): void {
    this.#poller.clear();
    const posts = this.#posts;
    for (let i = 0; i < posts.length; i++) {
      const post = posts[i] as Post;
      const { client } = post;
      const events = client === undefined ? (post.isFree ? PollEvent.in : PollEvent.none) : client.events;
      const fd = client === undefined ? post.listening : client.fd;
      // One that hung up is always ready: who waits for nothing is left out.
      this.#slots[i] = events === PollEvent.none ? -1 : this.#poller.add(fd, events);
    }
  }

  /** Works until there is nothing to do for a while. @returns whether it stopped because others shall have their turn */
  #serve(): boolean {
    const end = performance.now() + TURN_MS;
    let until = 0;
    let now: number;
    do {
      this.#list();
      const found = this.#poller.look();
      now = performance.now();
      if (found > 0 || this.#hasMore) {
        this.#hasMore = this.#round() || this.#stay();
        until = now + LINGER_MS;
      } else if (now > until) return false;
      else this.#sockets.yield();
    } while (now < end);
    return true;
  }

  /** Stays with a client that was alone in the last round, for its next messages. @returns whether it has more */
  #stay(): boolean {
    const client = this.#alone;
    if (client === undefined) return false;
    for (const until = performance.now() + LINGER_MS; performance.now() < until; ) {
      const { answered } = client;
      if (client.turn()) return true;
      // Whether it has gone, and for what else it has to be waited, is for the next round.
      if (client.events !== PollEvent.in || client.ended !== undefined) return false;
      if (client.answered === answered) this.#sockets.yield();
    }
    return false;
  }

  /** One turn for each client that has something to do. @returns whether one has more */
  #round(): boolean {
    let more = false;
    let turns = 0;
    this.#alone = undefined;
    const posts = this.#posts;
    for (let i = 0; i < posts.length; i++) {
      const post = posts[i] as Post;
      const slot = this.#slots[i] as number;
      const { client } = post;
      if (slot < 0 || !(this.#poller.isReady(slot) || client?.hasMore === true)) continue;
      turns++;
      if (client === undefined) {
        post.accept();
        continue;
      }
      if (client.turn()) more = true;
      if (client.ended !== undefined) post.drop(client);
      else this.#alone = client;
    }
    if (turns !== 1 || more) this.#alone = undefined;
    return more;
  }

  /** Ends all clients; their devices are back when it resolves. */
  async close(): Promise<void> {
    this.#closed = true;
    this.wake();
    await this.#running;
    await Promise.all(this.#posts.splice(0).map((post) => post.close()));
    process.off('exit', this.wake);
    this.#isGone = true;
    this.#poller.close();
    this.#sockets.end();
  }
}
