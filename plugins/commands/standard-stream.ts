// SPDX-License-Identifier: MIT

import { fstatSync, writeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { isatty } from 'node:tty';

/** Bytes of a log that may wait for a reader. */
export const MOST_PENDING = 2 ** 20;

/** Says in one line that so many lines were lost, and why. */
export type LossNote = (lines: number, why: string) => string;

const linesIn = (text: string): number => text.split('\n').length - 1;

const wordOf = (error: NodeJS.ErrnoException): string => error.code ?? error.message;

/** Waits in a queue of the process, so that a reader who takes his time holds nobody up. */
const queueOf = (fd: number): Writable | undefined => {
  let isQueued: boolean;
  try {
    const facts = fstatSync(fd);
    isQueued = facts.isFIFO() || facts.isSocket() || isatty(fd);
  } catch {
    // Then writing to it says what is wrong.
    isQueued = false;
  }
  if (!isQueued) return undefined;
  const stream = fd === 1 ? process.stdout : process.stderr;
  // A terminal that somebody has stopped would stop this process too.
  (stream as { _handle?: { setBlocking?(on: boolean): void } })._handle?.setBlocking?.(false);
  return stream;
};

/**
 * Standard output or error, which may be closed, full, slow or stalled: whoever writes goes on. Memory for what waits can
 * be bounded. What could not be written is counted, and said where the gap is as soon as something can be written again.
 */
export class StandardStream {
  readonly #fd: 1 | 2;
  #queue: Writable | undefined;
  #isOpen = false;
  #owed = 0;
  #why = '';
  /** The disk took the beginning of a line only. */
  #isTorn = false;
  /** Bytes that may wait for a reader; what is written while they do is lost, and counted. */
  most = Number.POSITIVE_INFINITY;
  /** Replaced by a log, which has a form of its own. */
  note: LossNote = (lines, why) => `pciback: ${lines} lines were not written: ${why}\n`;

  constructor(fd: 1 | 2) {
    this.#fd = fd;
  }

  /** Whether it leads to a terminal. */
  get colour(): boolean {
    return isatty(this.#fd);
  }

  /** What was lost and not said yet. */
  get lost(): { readonly lines: number; readonly why: string } {
    return { lines: this.#owed, why: this.#why };
  }

  /** Writes whole lines, or counts them. */
  write(text: string): void {
    const lines = linesIn(text);
    const queue = this.#open();
    const pending = queue?.writableLength ?? 0;
    // Once something is lost, what comes behind it is lost too until the queue is empty: then the gap is where it is said.
    if (pending > 0 && (this.#owed > 0 || pending + text.length > this.most)) {
      this.#lose(lines, 'nobody reads them');
      return;
    }
    const owed = this.#owed;
    if (owed > 0) {
      const note = this.note(owed, this.#why);
      this.#owed = 0;
      this.#put(queue, note, owed);
    }
    // A file says at once that it takes nothing, and would say the same again.
    if (this.#owed > 0) this.#lose(lines, this.#why);
    else if (text !== '') this.#put(queue, text, lines);
  }

  /** @param worth lines that are lost with it */
  #put(queue: Writable | undefined, text: string, worth: number): void {
    if (queue === undefined) this.#writeFile(text, worth);
    else queue.write(text, (error) => error && this.#lose(worth, wordOf(error)));
  }

  /**
   * Resolves when everything was written or lost.
   *
   * @param limit milliseconds; missing: as long as it takes
   */
  async flush(limit?: number): Promise<void> {
    const queue = this.#queue;
    if (queue === undefined || queue.writableLength === 0) return;
    await new Promise<void>((resolve) => {
      if (limit !== undefined) setTimeout(resolve, limit);
      queue.write('', () => resolve());
    });
  }

  /** It is made when something is written: making it takes as long as reading the rc file. */
  #open(): Writable | undefined {
    if (this.#isOpen) return this.#queue;
    this.#isOpen = true;
    this.#queue = queueOf(this.#fd);
    // Each write says itself what became of it.
    this.#queue?.on('error', () => undefined);
    this.#queue?.on('drain', () => {
      if (this.#owed > 0) this.write('');
    });
    return this.#queue;
  }

  #writeFile(text: string, worth: number): void {
    const bytes = Buffer.from(this.#isTorn ? `\n${text}` : text);
    let at = 0;
    try {
      while (at < bytes.length) at += writeSync(this.#fd, bytes, at);
      this.#isTorn = false;
    } catch (error) {
      if (at > 0) this.#isTorn = bytes[at - 1] !== 0x0a;
      const whole = linesIn(bytes.subarray(0, at).toString()) - (bytes[0] === 0x0a && at > 0 ? 1 : 0);
      this.#lose(worth - whole, wordOf(error as NodeJS.ErrnoException));
    }
  }

  #lose(lines: number, why: string): void {
    this.#owed += lines;
    this.#why = why;
  }
}

/** The process's own. */
export const standardOutput = new StandardStream(1);
export const standardError = new StandardStream(2);
