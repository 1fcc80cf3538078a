// SPDX-License-Identifier: MIT

import type { StoreView, StoreWatch } from '../../core/platform/index.ts';
import { stateName, XenbusState } from '../../core/xenbus/nodes.ts';
import type { StoreConnection } from '../../plugins/platforms/embedded/store.ts';
import type { SeededRandom } from './seeded-random.ts';

/** How a store behaves badly, and whom to tell when its user does. */
export interface UnrulyTerms {
  readonly random: SeededRandom;
  /** Most turns of the event loop that one operation or event is held up. */
  readonly delay: number;
  /** Told about a write that a back end may not do. */
  readonly illegal: (line: string) => void;
}

/** The store of one back end, slow, with events that overtake each other. */
export interface UnrulyStore extends StoreConnection {
  /** Operations and events that are held up now. */
  inFlight(): number;
}

const { initialising, initWait, initialised, connected, closing, closed, reconfiguring, reconfigured } = XenbusState;

/** Own states that a back end may go to, by the one it is in; Closing and Closed always, once it serves. */
const nextStates: Readonly<Record<number, readonly number[]>> = {
  [initialising]: [initWait],
  [initWait]: [initialised],
  [initialised]: [connected],
  [connected]: [],
  [closing]: [],
  [closed]: [initWait],
  [reconfiguring]: [reconfigured],
  [reconfigured]: [connected],
};

const isLegal = (from: number, to: number): boolean =>
  from === to || (nextStates[from] ?? []).includes(to) || (from !== initialising && (to === closing || to === closed));

/** The back end's directory that a path lies in. */
const homeOf = (path: string): string | undefined =>
  /^\/local\/domain\/0\/backend\/pci\/\d+\/\d+(?=\/|$)/.exec(path)?.[0];

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * What stands between a back end and the store: every operation may take some turns of the event loop, before and after,
 * and every watch event too. Watches what is written: nothing into a directory that is gone, and of the own state only
 * the steps that the protocol has.
 */
export const unrulyStore = (inner: StoreConnection, { random, delay, illegal }: UnrulyTerms): UnrulyStore => {
  let inFlight = 0;
  const heldUp = async (): Promise<void> => {
    inFlight++;
    try {
      for (let left = random.oneIn(3) ? random.below(delay + 1) : 0; left > 0; left--) await turn();
    } finally {
      inFlight--;
    }
  };
  const slow = async <T>(operation: () => Promise<T>): Promise<T> => {
    await heldUp();
    try {
      return await operation();
    } finally {
      await heldUp();
    }
  };
  /** Both reads begin in the turn of the write, so they see the store as the write does. */
  const checked = async (view: StoreView, path: string, value: string): Promise<void> => {
    const home = homeOf(path);
    const there = home === undefined ? undefined : view.read(`${home}/state`);
    const [old] = await Promise.all([there, view.write(path, value)]);
    if (home === undefined) return;
    if (old === undefined) illegal(`write of ${path} = ${value} into a directory that is gone`);
    else if (path === `${home}/state` && !isLegal(Number(old), Number(value))) {
      illegal(`own state ${home}: ${stateName(Number(old))} to ${stateName(Number(value))}`);
    } else if (path !== `${home}/state` && old === String(initialising)) {
      illegal(`write of ${path} into a directory that is not served yet`);
    }
  };
  const slowView = (view: StoreView): StoreView => ({
    read: (path) => slow(() => view.read(path)),
    list: (path) => slow(() => view.list(path)),
    write: (path, value) => slow(() => checked(view, path, value)),
    remove: (path) => slow(() => view.remove(path)),
    setPermissions: (path, permissions) => slow(() => view.setPermissions(path, permissions)),
  });
  return {
    ...slowView(inner),
    domain: inner.domain,
    lost: inner.lost,
    lose: (why) => inner.lose(why),
    watched: () => inner.watched(),
    close: () => inner.close(),
    transaction: (work) => slow(() => inner.transaction((view) => work(slowView(view)))),
    watch: async (path, listener): Promise<StoreWatch> => {
      let open = true;
      const watch = await slow(() =>
        inner.watch(path, (changed) => {
          void heldUp().then(() => {
            if (open) listener(changed);
          });
        }),
      );
      return {
        close: async () => {
          open = false;
          await slow(() => watch.close());
        },
      };
    },
    inFlight: () => inFlight,
  };
};
