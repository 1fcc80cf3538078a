// SPDX-License-Identifier: MIT

import type { Logger } from '../core/log.ts';

/** Characters that are kept of a line. */
const LONGEST = 1000;

/** The last lines of a log, in bounded memory. */
export class LogTail {
  readonly #lines: string[] = [];
  readonly #most: number;
  #next = 0;

  /** @param most lines that are kept */
  constructor(most: number) {
    this.#most = most;
  }

  add(line: string): void {
    this.#lines[this.#next] = line.trimEnd().slice(0, LONGEST);
    this.#next = (this.#next + 1) % this.#most;
  }

  /** Oldest first. */
  get lines(): readonly string[] {
    return [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)];
  }
}

/** A log that writes to both. */
export const bothLogs = (one: Logger, other: Logger): Logger => {
  const to =
    (level: keyof Logger) =>
    (facts: object, message: string): void => {
      one[level](facts, message);
      other[level](facts, message);
    };
  return { debug: to('debug'), info: to('info'), warn: to('warn'), error: to('error') };
};
