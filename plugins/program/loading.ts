// SPDX-License-Identifier: MIT

import { writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { onCrash } from '../crash.ts';
import { problem } from '../errors.ts';
import type { LoopWatch } from '../supervisor/loop-run.ts';
import { LONGEST } from './module.ts';

/** Status of a command that ended with an error. */
const FAILED = 1;

/** Code that does not return is found; what it takes of memory meanwhile is not looked at. */
const WATCHED = { seconds: LONGEST / 1000, bytes: Number.POSITIVE_INFINITY, status: FAILED, isLoading: true };

/** The control loop of a program that has pciback inside is its own. */
const command = { isOne: false };
/** This process is a command: where code that it loads does not return, it is ended. */
export const endWhereLoadingHangs = (): void => {
  command.isOne = true;
};

/**
 * Files that are loaded. Their code may end the process, without a word and with any status, or never return: then those that
 * were being loaded are named.
 */
export class Loading {
  readonly #names = new Set<string>();
  readonly #files = new Map<string, string>();
  readonly #deaf: () => void;
  #watch: Promise<LoopWatch> | undefined;
  #hang: { readonly name: string | undefined; readonly why: string } | undefined;

  constructor() {
    this.#deaf = onCrash(({ kind, why, plugin }) => {
      if (kind === 'loop') this.#hang = { name: plugin, why };
    });
    process.once('exit', this.#say);
  }

  /** The code of a plugin is about to run. @param file absolute, that it is from */
  async begin(name: string, file: string): Promise<void> {
    this.#names.add(name);
    const isKnown = this.#files.get(name) === file;
    this.#files.set(name, file);
    if (!command.isOne || isKnown) return;
    const culprit = { plugin: name, file: pathToFileURL(file).href };
    if (this.#watch !== undefined) (await this.#watch).add(culprit);
    else {
      this.#watch = import('../supervisor/loop-run.ts').then(({ watchLoop }) =>
        watchLoop({ ...WATCHED, culprits: [culprit] }),
      );
      await this.#watch;
    }
  }

  /** It has come to its end. */
  done(name: string): void {
    this.#names.delete(name);
  }

  /** Nothing more is loaded. @param isWatched somebody else goes on watching the control loop of this command */
  async over(isWatched = false): Promise<void> {
    this.#deaf();
    process.off('exit', this.#say);
    const watch = await this.#watch;
    if (isWatched) watch?.leave();
    else await watch?.stop();
  }

  readonly #say = (): void => {
    const name = this.#hang?.name ?? [...this.#names].join(' or ');
    if (name === '') return;
    const why = this.#hang?.why ?? 'the process was ended meanwhile, as by process.exit in its code';
    const { code, message, solve } = problem('PLUGIN_LOAD', { name, why });
    process.exitCode = FAILED;
    writeSync(2, `error ${code}: ${message}\n  next: ${solve}\n`);
  };
}
