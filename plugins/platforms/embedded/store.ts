// SPDX-License-Identifier: MIT

import { type PcibackError, problem } from '../../../core/errors/index.ts';
import type { StorePermission, StoreView, StoreWatch, Xenstore } from '../../../core/platform/index.ts';
import { type Change, TransactionConflict, TransactionView } from './store-transaction.ts';
import { checkPath, checkValue, parentOf, permits, refuse, StoreTree } from './store-tree.ts';

/** A view of the store for one domain, and the means to cut it off. */
export interface StoreConnection extends Xenstore {
  readonly domain: number;
  /** Fault injection: the connection breaks. Every later call rejects with `STORE_LOST`, `lost` resolves. */
  lose(why: string): void;
  /** Paths of the watches that are registered. */
  watched(): readonly string[];
  /** Orderly end: watches go, `lost` stays pending. */
  close(): void;
}

/** The xenstore of the embedded platform. */
export interface EmbeddedStore {
  /** Opens a connection; that of a guest is subject to permissions and counts relative paths from its own directory. */
  connect(domain: number): StoreConnection;
  /** Fires the special watches `@introduceDomain` and `@releaseDomain`. */
  announce(name: '@introduceDomain' | '@releaseDomain'): void;
  /** All nodes as `path = value`, for messages and tests. */
  dump(below?: string): string[];
  /** Transactions that had to be done again, for tests. */
  conflicts(): number;
  /** Watches that are registered. */
  watches(): number;
  /** Fault injection: every connection breaks. */
  lose(why: string): void;
}

interface Watch {
  readonly path: string;
  readonly domain: number;
  readonly listener: (path: string) => void;
  readonly queue: Set<string>;
  closed: boolean;
}

/** Retries of one transaction before it is taken for a live lock. */
const RETRY_LIMIT = 1000;

/** The watches of the store; delivery is one macrotask for all that is due. */
class Watches {
  readonly #byPath = new Map<string, Set<Watch>>();
  readonly #tree: StoreTree;
  #due: Watch[] = [];
  #scheduled = false;

  constructor(tree: StoreTree) {
    this.#tree = tree;
  }

  add(watch: Watch): void {
    const there = this.#byPath.get(watch.path);
    if (there) there.add(watch);
    else this.#byPath.set(watch.path, new Set([watch]));
    this.#queue(watch, watch.path);
  }

  delete(watch: Watch): void {
    watch.closed = true;
    watch.queue.clear();
    const there = this.#byPath.get(watch.path);
    there?.delete(watch);
    if (there?.size === 0) this.#byPath.delete(watch.path);
  }

  count(): number {
    let count = 0;
    for (const there of this.#byPath.values()) count += there.size;
    return count;
  }

  /** The path changed: its watches and those above it fire. */
  changed(path: string): void {
    for (let at = path; ; at = parentOf(at)) {
      for (const watch of this.#byPath.get(at) ?? []) this.#queue(watch, path);
      if (at === '/' || at.startsWith('@')) return;
    }
  }

  /** These paths are gone, the first one is the top: watches on any of them and above the top fire. */
  removed(paths: readonly string[]): void {
    const [top, ...below] = paths;
    if (top === undefined) return;
    this.changed(top);
    for (const path of below) for (const watch of this.#byPath.get(path) ?? []) this.#queue(watch, path);
  }

  #queue(watch: Watch, path: string): void {
    if (watch.domain !== 0 && path !== watch.path && !permits(this.#tree.nearest(path), watch.domain, 'read')) return;
    if (watch.queue.size === 0) this.#due.push(watch);
    watch.queue.add(path);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#deliver());
  }

  #deliver(): void {
    const due = this.#due;
    this.#due = [];
    this.#scheduled = false;
    let next = 0;
    try {
      while (next < due.length) {
        const watch = due[next++];
        if (!watch) continue;
        const paths = [...watch.queue];
        watch.queue.clear();
        for (const path of paths) if (!watch.closed) watch.listener(path);
      }
    } finally {
      // A throwing listener ends the process or is caught globally; the others' events must not get lost with it.
      for (const watch of due.slice(next)) for (const path of watch.queue) this.#requeue(watch, path);
    }
  }

  #requeue(watch: Watch, path: string): void {
    watch.queue.delete(path);
    this.#queue(watch, path);
  }
}

interface ConnectionEvents {
  conflict(): void;
  closed(connection: Connection): void;
}

class Connection implements StoreConnection {
  readonly domain: number;
  readonly lost: Promise<Error>;
  readonly #tree: StoreTree;
  readonly #watches: Watches;
  readonly #events: ConnectionEvents;
  readonly #own = new Set<Watch>();
  readonly #resolveLost: (cause: Error) => void;
  #gone: PcibackError | undefined;

  constructor(tree: StoreTree, watches: Watches, domain: number, events: ConnectionEvents) {
    this.#tree = tree;
    this.#watches = watches;
    this.#events = events;
    this.domain = domain;
    let resolveLost: (cause: Error) => void = () => undefined;
    this.lost = new Promise((resolve) => {
      resolveLost = resolve;
    });
    this.#resolveLost = resolveLost;
  }

  async read(path: string): Promise<string | undefined> {
    return this.#readable('read', path)?.value;
  }

  async list(path: string): Promise<string[] | undefined> {
    const node = this.#readable('directory', path);
    return node && [...node.children.keys()];
  }

  async write(path: string, value: string): Promise<void> {
    const at = this.#enter('write', path);
    checkValue(at, value);
    this.#writable('write', at);
    this.#apply({ kind: 'write', path: at, value });
  }

  async remove(path: string): Promise<void> {
    const at = this.#enter('remove', path);
    if (!this.#tree.find(at)) return;
    this.#writable('remove', at);
    this.#apply({ kind: 'remove', path: at });
  }

  async setPermissions(path: string, permissions: readonly StorePermission[]): Promise<void> {
    const at = this.#enter('set permissions', path);
    if (!this.#tree.find(at)) refuse('set permissions', at, 'ENOENT');
    this.#writable('set permissions', at);
    this.#apply({ kind: 'permissions', path: at, permissions });
  }

  async watch(path: string, listener: (path: string) => void): Promise<StoreWatch> {
    this.#alive();
    const at = path.startsWith('@') ? path : this.#absolute(path);
    if (at.startsWith('@')) {
      if (this.domain !== 0) refuse('watch', at, 'EACCES');
    } else checkPath('watch', at);
    const watch: Watch = { path: at, domain: this.domain, listener, queue: new Set(), closed: false };
    this.#own.add(watch);
    this.#watches.add(watch);
    return {
      close: async () => {
        this.#own.delete(watch);
        this.#watches.delete(watch);
      },
    };
  }

  watched(): readonly string[] {
    return [...this.#own].map(({ path }) => path);
  }

  async transaction<T>(work: (view: StoreView) => Promise<T>): Promise<T> {
    for (let attempt = 0; attempt < RETRY_LIMIT; attempt += 1) {
      this.#alive();
      const view = new TransactionView(
        this.#tree,
        this.domain,
        () => this.#alive(),
        (path) => this.#absolute(path),
      );
      try {
        const result = await work(view);
        this.#alive();
        view.verify();
        for (const change of view.changes) this.#apply(change);
        return result;
      } catch (error) {
        if (!(error instanceof TransactionConflict)) throw error;
        this.#events.conflict();
      }
    }
    return refuse('transaction', '/', 'EAGAIN');
  }

  lose(why: string): void {
    if (this.#gone) return;
    this.close();
    this.#gone = problem('STORE_LOST', { why });
    this.#resolveLost(this.#gone);
  }

  close(): void {
    for (const watch of this.#own) this.#watches.delete(watch);
    this.#own.clear();
    this.#events.closed(this);
    this.#gone ??= problem('STORE_LOST', { why: 'it was closed here' });
  }

  #alive(): void {
    if (this.#gone) throw this.#gone;
  }

  #absolute(path: string): string {
    return path.startsWith('/') || path.startsWith('@') ? path : `/local/domain/${this.domain}/${path}`;
  }

  #enter(operation: string, path: string): string {
    this.#alive();
    const at = this.#absolute(path);
    checkPath(operation, at);
    return at;
  }

  #readable(operation: string, path: string) {
    const at = this.#enter(operation, path);
    const node = this.#tree.find(at);
    if (!permits(node ?? this.#tree.nearest(at), this.domain, 'read')) refuse(operation, at, 'EACCES');
    return node;
  }

  #writable(operation: string, path: string): void {
    if (!permits(this.#tree.nearest(path), this.domain, 'write')) refuse(operation, path, 'EACCES');
  }

  #apply(change: Change): void {
    if (change.kind === 'remove') {
      this.#watches.removed(this.#tree.remove(change.path));
      return;
    }
    if (change.kind === 'write') this.#tree.write(change.path, change.value, this.domain);
    else this.#tree.setPermissions(change.path, change.permissions);
    this.#watches.changed(change.path);
  }
}

/** Makes an empty store. */
export const createStore = (): EmbeddedStore => {
  const tree = new StoreTree();
  const watches = new Watches(tree);
  const connections = new Set<Connection>();
  let conflicts = 0;
  return {
    connect: (domain) => {
      const connection = new Connection(tree, watches, domain, {
        conflict: () => {
          conflicts += 1;
        },
        closed: (one) => void connections.delete(one),
      });
      connections.add(connection);
      return connection;
    },
    announce: (name) => watches.changed(name),
    dump: (below = '/') => {
      const lines: string[] = [];
      const show = (path: string): void => {
        const node = tree.find(path);
        if (!node) return;
        if (node.value !== '' || node.children.size === 0) lines.push(`${path} = ${node.value}`);
        for (const name of node.children.keys()) show(`${path === '/' ? '' : path}/${name}`);
      };
      show(below);
      return lines;
    },
    conflicts: () => conflicts,
    watches: () => watches.count(),
    lose: (why) => {
      for (const connection of [...connections]) connection.lose(why);
    },
  };
};
