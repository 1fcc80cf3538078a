// SPDX-License-Identifier: MIT

import { closeSync, constants, openSync, readFileSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { type Entry, entryLine, headerLine, type Reading, readJournal } from './record-text.ts';

/** Bytes of changes after which the file is written anew. */
const COMPACT_BYTES = 1024 * 1024;

const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND | constants.O_NOFOLLOW;
const MODE = 0o600;

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

const removeFile = (path: string): void => {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
};

/** The file of a journal's records. It grows by a line for each change, and is replaced as a whole now and then. */
export class RecordFile {
  readonly #path: string;
  readonly #boot: string;
  readonly #all: () => Iterable<Entry>;
  #file: number | undefined;
  /** Bytes in the file. */
  #size = 0;
  /** Bytes at which it is written anew. */
  #most = COMPACT_BYTES;

  /** @param all what is known now, to begin a file with */
  constructor(path: string, boot: string, all: () => Iterable<Entry>) {
    this.#path = path;
    this.#boot = boot;
    this.#all = all;
  }

  /** What an earlier process left; `undefined`: nothing. @throws Error when it cannot be read */
  read(): Reading | undefined {
    try {
      return readJournal(readFileSync(this.#path), this.#boot);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Puts a file that cannot be used out of the way, for whoever wants to look at it. */
  setAside(): string {
    const aside = `${this.#path}.unusable`;
    renameSync(this.#path, aside);
    return aside;
  }

  /** Begins the file anew with what is known. A process that still has the one before writes into nothing. */
  begin(): void {
    const fresh = `${this.#path}.new`;
    removeFile(fresh);
    const file = openSync(fresh, NEW, MODE);
    try {
      const text = Buffer.concat([headerLine(this.#boot), ...[...this.#all()].map(entryLine)]);
      this.#write(file, text);
      this.#size = text.length;
      renameSync(fresh, this.#path);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    this.#most = Math.max(COMPACT_BYTES, 4 * this.#size);
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = file;
  }

  /** Takes a change down: when this returns it survives the process. @throws Error when the host refuses */
  append(entry: Entry): void {
    if (this.#file === undefined) return;
    const text = entryLine(entry);
    this.#write(this.#file, text);
    this.#size += text.length;
    if (this.#size > this.#most) this.begin();
  }

  #write(file: number, bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** Nothing is to be continued. */
  remove(): void {
    this.close();
    removeFile(this.#path);
  }
}
