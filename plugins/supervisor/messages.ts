// SPDX-License-Identifier: MIT

import { setTimeout as pause } from 'node:timers/promises';
import type { Notifier } from './notify-socket.ts';

/** Milliseconds between two attempts to say what the supervisor did not take. */
const RETRY_MS = 100;
/** Messages that wait for a supervisor that does not read; of more, the oldest but the first is left out. */
const MOST_WAITING = 16;

/**
 * Messages to a supervisor in their order. Its socket holds ten of them (`net.unix.max_dgram_qlen`): one that is busy takes no more
 * for a while, and would never learn of a new main process.
 */
export class Messages {
  readonly #notifier: Notifier;
  readonly #untold: (why: string, said: readonly string[]) => void;
  readonly #waiting: (readonly string[])[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** @param untold told of each message that is not taken at the first attempt */
  constructor(notifier: Notifier, untold: (why: string, said: readonly string[]) => void) {
    this.#notifier = notifier;
    this.#untold = untold;
  }

  /** What is true at this moment only, as a sign of life. @returns whether it was said; if not, it is forgotten */
  now(...said: readonly string[]): boolean {
    const why = this.#catchUp() ? this.#notifier.tell(...said) : 'earlier messages wait';
    if (why !== undefined) this.#untold(why, said);
    return why === undefined;
  }

  /** What has to be heard: said now, or as soon as the supervisor takes it, and before all that comes after. */
  surely(...said: readonly string[]): void {
    const why = this.#catchUp() ? this.#notifier.tell(...said) : 'earlier messages wait';
    if (why === undefined) return;
    this.#untold(why, said);
    this.#waiting.push(said);
    // The first one says who serves.
    if (this.#waiting.length > MOST_WAITING) this.#waiting.splice(1, 1);
    this.#timer ??= setInterval(() => this.#catchUp(), RETRY_MS);
  }

  /** Waits until all is said, at most so many milliseconds, and closes the socket. */
  async close(patience: number): Promise<void> {
    for (let waited = 0; waited < patience && !this.#catchUp(); waited += RETRY_MS) await pause(RETRY_MS);
    clearInterval(this.#timer);
    this.#notifier.close();
  }

  /** @returns whether nothing waits */
  #catchUp(): boolean {
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      if (this.#notifier.tell(...next) !== undefined) return false;
      this.#waiting.shift();
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
    return true;
  }
}
