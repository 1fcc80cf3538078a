// SPDX-License-Identifier: MIT

import { type PcibackError, problem } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import type { Platform, StoreView, StoreWatch, Xenstore } from '../../core/platform/index.ts';

/** A store with a limit on how long it is waited for. At first, while pciback starts, a request without an answer fails. */
export interface PatientStore {
  readonly store: Xenstore;
  /**
   * From now on requests wait as long as it takes, and the log says so: guests that are served need no store, and one that was
   * given up could not be taken back.
   */
  relax(): void;
  /**
   * From now on a request without an answer is given up, and all later ones with it: they come to what they come to where
   * nothing is in the store, so that guests count as gone and everything of theirs is given back.
   */
  hurry(): void;
  /** The request that the store was given up for. */
  readonly givenUp: PcibackError | undefined;
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
  let phase: 'start' | 'service' | 'end' = 'start';
  let givenUp: PcibackError | undefined;

  const overdue = ({ operation, path, since }: Asked): void => {
    const took = secondsSince(since);
    if (phase === 'service') {
      log.warn({ operation, path, seconds: took }, 'xenstore does not answer');
      return;
    }
    const lost = problem('STORE_LOST', { why: `no answer to ${operation} of ${path} within ${took} s` });
    givenUp ??= lost;
    if (phase === 'end') log.error({ operation, path, seconds: took }, 'xenstore is given up');
    for (const one of waiting) one.giveUp(lost);
  };
  const arm = (asked: Asked): void => {
    clearTimeout(asked.timer);
    asked.timer = setTimeout(() => overdue(asked), seconds() * 1000).unref();
  };

  /** @param nothing what it comes to where nothing is in the store */
  const ask = async <Answer>(
    operation: string,
    path: string,
    nothing: Answer,
    work: () => Promise<Answer>,
  ): Promise<Answer> => {
    const given = (why: PcibackError): Answer => {
      if (phase === 'end') return nothing;
      throw why;
    };
    if (givenUp !== undefined) return given(givenUp);
    const since = performance.now();
    return new Promise<Answer>((resolve, reject) => {
      const giveUp = (why: PcibackError): void => (phase === 'end' ? resolve(nothing) : reject(why));
      const asked: Asked = { operation, path, since, timer: undefined, giveUp };
      const done = (): void => {
        waiting.delete(asked);
        clearTimeout(asked.timer);
        const took = secondsSince(since);
        if (givenUp === undefined && took > seconds()) {
          log.info({ operation, path, seconds: took }, 'xenstore answers again');
        }
      };
      waiting.add(asked);
      arm(asked);
      // Settled once, whichever comes first: an answer that comes too late changes nothing.
      work().finally(done).then(resolve, reject);
    });
  };

  const store: Xenstore = {
    read: (path) => ask('read', path, undefined, () => inner.read(path)),
    list: (path) => ask('list', path, undefined, () => inner.list(path)),
    write: (path, value) => ask('write', path, undefined, () => inner.write(path, value)),
    remove: (path) => ask('remove', path, undefined, () => inner.remove(path)),
    setPermissions: (path, permissions) =>
      ask('set permissions', path, undefined, () => inner.setPermissions(path, permissions)),
    // As one request: what it does to its view is nothing before its end.
    transaction: <T>(work: (view: StoreView) => Promise<T>) =>
      ask('transaction', '/', undefined as T, () => inner.transaction(work)),
    watch: async (path, listener) => {
      const watch = await ask<StoreWatch | undefined>('watch', path, undefined, () => inner.watch(path, listener));
      return { close: () => ask('unwatch', path, undefined, async () => watch?.close()) };
    },
    get lost() {
      return inner.lost;
    },
  };
  return {
    store,
    relax: () => {
      phase = 'service';
    },
    hurry: () => {
      phase = 'end';
      for (const one of waiting) arm(one);
    },
    get givenUp() {
      return givenUp;
    },
  };
};

/**
 * The platform with another store and other channels. One that is not a plain object stays as it is: what it keeps to itself
 * cannot be taken over.
 */
export const withOthers = (platform: Platform, others: Partial<Pick<Platform, 'xenstore' | 'events'>>): Platform =>
  Object.getPrototypeOf(platform) === Object.prototype
    ? Object.create(platform, Object.getOwnPropertyDescriptors(others))
    : platform;
