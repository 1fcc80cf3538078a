// SPDX-License-Identifier: MIT

import { type ChildProcess, spawn } from 'node:child_process';

/** Lines of its log that are kept. */
const MOST_LINES = 400;

/** How a process ended. */
export interface DaemonEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that serves guests, or waits until it may. */
export class Daemon {
  readonly lines: string[] = [];
  readonly end: Promise<DaemonEnd>;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #rest = '';

  constructor(words: readonly string[]) {
    this.#child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#heard(text));
    }
    this.end = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('exit', (status, signal) => resolve({ status, signal }));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  #heard(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    this.lines.push(...lines);
    this.lines.splice(0, Math.max(0, this.lines.length - MOST_LINES));
    for (const look of this.#waiting) look();
  }

  /** Resolves when a line has the text; rejects when the process ends before. */
  printed(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!this.lines.some((line) => line.includes(text))) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
      void this.end.then(({ status, signal }) => {
        this.#waiting.delete(look);
        reject(new Error(`it ended (${status ?? signal}) before "${text}":\n${this.lines.slice(-20).join('\n')}`));
      });
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }
}
