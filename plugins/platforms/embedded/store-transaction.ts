// SPDX-License-Identifier: MIT

import type { StorePermission, StoreView } from '../../../core/platform/index.ts';
import { checkPath, checkValue, permits, refuse, type StoreNode, type StoreTree } from './store-tree.ts';

/** A change of the store that a transaction holds back until its end. */
export type Change =
  | { readonly kind: 'write'; readonly path: string; readonly value: string }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'permissions'; readonly path: string; readonly permissions: readonly StorePermission[] };

/** Another connection changed something this transaction has seen: all of it has to be done again. */
export class TransactionConflict extends Error {
  override readonly name = 'TransactionConflict';
}

const within = (path: string, above: string): boolean =>
  path === above ||
  above === '/' ||
  (path.length > above.length && path.startsWith(above) && path[above.length] === '/');

/**
 * The view inside a transaction: what it wrote lies over what was there.
 *
 * Everything it looks at is remembered with its generation and checked again whenever the store has changed, so the
 * work never sees a mixture of two states.
 */
export class TransactionView implements StoreView {
  readonly #tree: StoreTree;
  readonly #domain: number;
  readonly #alive: () => void;
  readonly #absolute: (path: string) => string;
  readonly #seen = new Map<string, number>();
  readonly #changes: Change[] = [];
  #checkedAt: number;

  constructor(tree: StoreTree, domain: number, alive: () => void, absolute: (path: string) => string) {
    this.#tree = tree;
    this.#domain = domain;
    this.#alive = alive;
    this.#absolute = absolute;
    this.#checkedAt = tree.generation;
  }

  get changes(): readonly Change[] {
    return this.#changes;
  }

  /** @throws TransactionConflict when something seen has changed. */
  verify(): void {
    if (this.#tree.generation === this.#checkedAt) return;
    for (const [path, generation] of this.#seen) {
      if (this.#tree.generationOf(path) !== generation) throw new TransactionConflict(path);
    }
    this.#checkedAt = this.#tree.generation;
  }

  async read(path: string): Promise<string | undefined> {
    const at = this.#enter('read', path);
    const base = this.#base(at);
    let value = this.#readable('read', at, base)?.value;
    for (const change of this.#changes) {
      if (change.kind === 'remove' && within(at, change.path)) value = undefined;
      if (change.kind === 'write' && within(change.path, at)) value = change.path === at ? change.value : (value ?? '');
    }
    return value;
  }

  async list(path: string): Promise<string[] | undefined> {
    const at = this.#enter('directory', path);
    const base = this.#readable('directory', at, this.#base(at));
    let names = base && new Set(base.children.keys());
    for (const change of this.#changes) {
      if (change.kind === 'remove' && within(at, change.path)) names = undefined;
      else if (change.kind === 'remove' && within(change.path, at)) {
        const [name = '', deeper] = tail(change.path, at);
        if (deeper === undefined) names?.delete(name);
      } else if (change.kind === 'write' && within(change.path, at)) {
        names ??= new Set();
        const [name] = tail(change.path, at);
        if (name !== undefined) names.add(name);
      }
    }
    return names && [...names];
  }

  async write(path: string, value: string): Promise<void> {
    const at = this.#enter('write', path);
    checkValue(at, value);
    this.#writable('write', at);
    this.#base(at);
    this.#changes.push({ kind: 'write', path: at, value });
  }

  async remove(path: string): Promise<void> {
    const at = this.#enter('remove', path);
    if (this.#base(at)) this.#writable('remove', at);
    this.#changes.push({ kind: 'remove', path: at });
  }

  async setPermissions(path: string, permissions: readonly StorePermission[]): Promise<void> {
    const at = this.#enter('set permissions', path);
    if ((await this.read(at)) === undefined) refuse('set permissions', at, 'ENOENT');
    this.#writable('set permissions', at);
    this.#changes.push({ kind: 'permissions', path: at, permissions: permissions.map((one) => ({ ...one })) });
  }

  #enter(operation: string, path: string): string {
    this.#alive();
    const at = this.#absolute(path);
    checkPath(operation, at);
    this.verify();
    return at;
  }

  #base(path: string): StoreNode | undefined {
    const node = this.#tree.find(path);
    if (!this.#seen.has(path)) this.#seen.set(path, node?.generation ?? 0);
    return node;
  }

  #readable(operation: string, path: string, node: StoreNode | undefined): StoreNode | undefined {
    if (!permits(node ?? this.#tree.nearest(path), this.#domain, 'read')) refuse(operation, path, 'EACCES');
    return node;
  }

  #writable(operation: string, path: string): void {
    if (!permits(this.#tree.nearest(path), this.#domain, 'write')) refuse(operation, path, 'EACCES');
  }
}

/** The names of `path` below `above`. */
const tail = (path: string, above: string): string[] =>
  path === above ? [] : path.slice(above === '/' ? 1 : above.length + 1).split('/');
