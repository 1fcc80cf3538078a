// SPDX-License-Identifier: MIT

/**
 * Runs tasks one after the other, in the order they were asked for: the sleeping lock of one owner (a guest's instance,
 * a device). A task that fails rejects for its caller and does not stop the next.
 */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Resolves when everything asked for so far has run. */
  readonly idle = async (): Promise<void> => void (await this.#tail);
}

/**
 * "Something changed, look again", at most one look waiting however often it is asked for (XSA-349).
 *
 * @param look reads the state and acts on it; runs in `queue`, never twice at a time
 * @param failed told about a look that threw
 */
export const coalesced = (
  queue: SerialQueue,
  look: () => Promise<void>,
  failed: (error: unknown) => void,
): (() => void) => {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    queue
      .run(() => {
        waiting = false;
        return look();
      })
      .catch(failed);
  };
};
