// SPDX-License-Identifier: MIT

/**
 * What becomes of a host call that is harmless but shows a mistake of the caller, such as unmapping a page twice:
 * nothing, or it is illegal and throws.
 */
export type Duties = 'lenient' | 'enforced';

/** What was asked of the host, in order; not the notifications and config accesses, which are counted elsewhere. */
export class Journal {
  readonly #limit: number;
  readonly #duties: Duties;
  readonly #illegal: string[] = [];
  #trace: string[] = [];

  /** @param limit host calls that are kept at least; twice as many at most */
  constructor(duties: Duties = 'lenient', limit = 4096) {
    this.#duties = duties;
    this.#limit = limit;
  }

  /** The last host calls, oldest first, e.g. `grant map d1 ref 8`. */
  get trace(): readonly string[] {
    return this.#trace;
  }

  /** Calls that a real host would not have survived, or that break an obligation of the platform interfaces. */
  get illegal(): readonly string[] {
    return this.#illegal;
  }

  add(line: string): void {
    this.#trace.push(line);
    if (this.#trace.length > 2 * this.#limit) this.#trace = this.#trace.slice(-this.#limit);
  }

  addIllegal(line: string): void {
    this.add(`ILLEGAL ${line}`);
    if (this.#illegal.length < this.#limit) this.#illegal.push(line);
  }

  /** A call that a real host forgives. @throws Error when duties are enforced; it is listed as illegal then. */
  breach(line: string): void {
    if (this.#duties === 'lenient') return;
    this.addIllegal(line);
    throw new Error(`illegal host call: ${line}`);
  }
}
