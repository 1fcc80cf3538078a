// SPDX-License-Identifier: MIT

import { type PcibackError, problem } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import type { Platform, StoreView, Xenstore } from '../../core/platform/index.ts';

/** A store with a limit on how long it is waited for. */
export interface PatientStore {
  readonly store: Xenstore;
  /**
   * From now on, as at the start, a request without an answer is given up after the limit, and the later ones with it: somebody
   * waits for the end.
   */
  hurry(): void;
  /**
   * From now on requests wait as long as it takes, and the log says so: guests that are served need no store, and one that was
   * given up could not be taken back.
   */
  relax(): void;
}

/** A request that waits for its answer. */
interface Asked {
  readonly operation: string;
  readonly path: string;
  /** By `performance.now()`. */
  readonly since: number;
  timer: NodeJS.Timeout | undefined;
  giveUp(why: PcibackError): void;
}

const secondsSince = (since: number): number => Math.round((performance.now() - since) / 100) / 10;

/**
 * Puts a limit on the requests to a store.
 *
 * @param seconds the limit; read at each request
 */
export const patientStore = (inner: Xenstore, seconds: () => number, log: Logger): PatientStore => {
  const waiting = new Set<Asked>();
  let isHurried = true;
  let silent: PcibackError | undefined;

  const overdue = (asked: Asked): void => {
    const { operation, path, since } = asked;
    if (isHurried) {
      silent ??= problem('STORE_LOST', { why: `no answer to ${operation} of ${path} within ${secondsSince(since)} s` });
      for (const one of waiting) one.giveUp(silent);
    } else log.warn({ operation, path, seconds: secondsSince(since) }, 'xenstore does not answer');
  };
  const arm = (asked: Asked): void => {
    clearTimeout(asked.timer);
    asked.timer = setTimeout(() => overdue(asked), seconds() * 1000).unref();
  };

  const ask = async <Answer>(operation: string, path: string, work: () => Promise<Answer>): Promise<Answer> => {
    if (silent !== undefined) throw silent;
    const since = performance.now();
    let asked: Asked | undefined;
    const givenUp = new Promise<never>((_resolve, reject) => {
      asked = { operation, path, since, timer: undefined, giveUp: reject };
      waiting.add(asked);
      arm(asked);
    });
    try {
      return await Promise.race([work(), givenUp]);
    } finally {
      if (asked !== undefined) {
        waiting.delete(asked);
        clearTimeout(asked.timer);
      }
      const took = secondsSince(since);
      if (silent === undefined && took > seconds())
        log.info({ operation, path, seconds: took }, 'xenstore answers again');
    }
  };

  const store: Xenstore = {
    read: (path) => ask('read', path, () => inner.read(path)),
    list: (path) => ask('list', path, () => inner.list(path)),
    write: (path, value) => ask('write', path, () => inner.write(path, value)),
    remove: (path) => ask('remove', path, () => inner.remove(path)),
    setPermissions: (path, permissions) => ask('set permissions', path, () => inner.setPermissions(path, permissions)),
    // As one request: what it does to its view is nothing before its end.
    transaction: <T>(work: (view: StoreView) => Promise<T>) => ask('transaction', '/', () => inner.transaction(work)),
    watch: async (path, listener) => {
      const watch = await ask('watch', path, () => inner.watch(path, listener));
      return { close: () => ask('unwatch', path, () => watch.close()) };
    },
    get lost() {
      return inner.lost;
    },
  };
  return {
    store,
    hurry: () => {
      isHurried = true;
      for (const one of waiting) arm(one);
    },
    relax: () => {
      isHurried = false;
    },
  };
};

/** The platform with another store. One that is not a plain object stays as it is: what it keeps to itself cannot be taken over. */
export const withStore = (platform: Platform, store: Xenstore): Platform =>
  Object.getPrototypeOf(platform) === Object.prototype
    ? Object.create(platform, { xenstore: { value: store, enumerable: true } })
    : platform;
