// SPDX-License-Identifier: MIT

/**
 * When a process is killed, counted in what it asks of its host: before the host does the n-th thing, after that and
 * before the answer, or some microseconds after the answer.
 */
export interface KillMoment {
  readonly count: number;
  readonly stage: 'before' | 'after' | 'later';
  /** Microseconds after the answer, with `later`. */
  readonly microseconds: number;
}

const spin = (microseconds: number): void => {
  const end = performance.now() + microseconds / 1000;
  while (performance.now() < end);
};

/** Kills the process that serves at a moment that was chosen, once. */
export class Killer {
  #armed: { readonly moment: KillMoment; readonly kill: () => void } | undefined;
  #seen = 0;
  #due = false;

  /** From now on things are counted. */
  arm(moment: KillMoment, kill: () => void): void {
    this.#armed = { moment, kill };
    this.#seen = 0;
    this.#due = false;
  }

  /** To be called for each thing that the process asks of its host. */
  guard(stage: 'before' | 'after'): 'go on' | 'drop' {
    const armed = this.#armed;
    if (armed === undefined) return 'go on';
    const { moment, kill } = armed;
    if (stage === 'before') {
      this.#seen += 1;
      if (this.#seen !== moment.count) return 'go on';
      if (moment.stage === 'before') {
        this.#armed = undefined;
        kill();
        return 'drop';
      }
      this.#due = true;
      return 'go on';
    }
    if (!this.#due) return 'go on';
    this.#armed = undefined;
    if (moment.stage === 'after') kill();
    else {
      setImmediate(() => {
        spin(moment.microseconds);
        kill();
      });
    }
    return 'go on';
  }
}
