// SPDX-License-Identifier: MIT

/** Failures that are kept with their reason. */
const MOST_FAILURES = 50;

/** Counts what was looked at, and what was not as it must be. */
export class Checks {
  passed = 0;
  failed = 0;
  readonly failures: string[] = [];
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** @param seen what is there instead, for whoever reads the failure */
  that(holds: boolean, what: string, seen: unknown = ''): void {
    if (holds) {
      this.passed += 1;
      return;
    }
    this.failed += 1;
    const line = `failed: ${what}${seen === '' ? '' : `; seen: ${typeof seen === 'string' ? seen : JSON.stringify(seen)}`}`;
    if (this.failures.length < MOST_FAILURES) this.failures.push(line);
    this.#say(line);
  }
}
