// SPDX-License-Identifier: MIT

import { fail } from '../../../core/errors/index.ts';
import type { StorePermission } from '../../../core/platform/index.ts';

/** One node. `generation` changes with its value, its permissions and the set of its children, not with theirs. */
export interface StoreNode {
  value: string;
  permissions: readonly StorePermission[];
  generation: number;
  readonly children: Map<string, StoreNode>;
}

const PATH_LIMIT = 3072;
/** Most bytes of path and value that one message of the store's wire protocol carries. */
const PAYLOAD_LIMIT = 4096;
const SYNTAX = /^(?:\/|(?:\/[A-Za-z0-9\-_@:.]+)+)$/;

/** Refuses an operation the way the store does, by error name. */
export const refuse = (operation: string, path: string, error: string): never =>
  fail('STORE_REFUSED', { operation, path, error });

/** Checks an absolute path. */
export const checkPath = (operation: string, path: string): void => {
  if (path.length > PATH_LIMIT || !SYNTAX.test(path)) refuse(operation, path, 'EINVAL');
};

export const checkValue = (path: string, value: string): void => {
  if (path.length + 1 + Buffer.byteLength(value) > PAYLOAD_LIMIT) refuse('write', path, 'E2BIG');
};

const namesOf = (path: string): string[] => (path === '/' ? [] : path.slice(1).split('/'));

export const parentOf = (path: string): string => {
  const cut = path.lastIndexOf('/');
  return cut <= 0 ? '/' : path.slice(0, cut);
};

export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** The tree itself: no permissions asked, no watches fired. */
export class StoreTree {
  readonly #root: StoreNode;
  #generation = 1;

  constructor() {
    this.#root = {
      value: '',
      permissions: [{ domain: 0, access: 'none' }],
      generation: 1,
      children: new Map(),
    };
  }

  /** Counts every change; equal numbers mean an unchanged store. */
  get generation(): number {
    return this.#generation;
  }

  find(path: string): StoreNode | undefined {
    let node: StoreNode | undefined = this.#root;
    for (const name of namesOf(path)) {
      node = node.children.get(name);
      if (!node) return undefined;
    }
    return node;
  }

  /** 0 stands for a node that is not there. */
  generationOf(path: string): number {
    return this.find(path)?.generation ?? 0;
  }

  /** The node itself, or the nearest one above it that exists. */
  nearest(path: string): StoreNode {
    let node = this.#root;
    for (const name of namesOf(path)) {
      const next = node.children.get(name);
      if (!next) break;
      node = next;
    }
    return node;
  }

  /**
   * Writes a node and makes missing parents; new nodes inherit permissions, an unprivileged creator becomes the owner.
   */
  write(path: string, value: string, creator: number): void {
    let node = this.#root;
    for (const name of namesOf(path)) {
      let next = node.children.get(name);
      if (!next) {
        next = {
          value: '',
          permissions: inherited(node.permissions, creator),
          generation: this.#next(),
          children: new Map(),
        };
        node.children.set(name, next);
        node.generation = this.#next();
      }
      node = next;
    }
    node.value = value;
    node.generation = this.#next();
  }

  /** Removes the node and all below it; tells the paths that went, deepest last. */
  remove(path: string): string[] {
    const parent = this.find(parentOf(path));
    const node = parent?.children.get(nameOf(path));
    if (!parent || !node || path === '/') return [];
    parent.children.delete(nameOf(path));
    parent.generation = this.#next();
    const gone: string[] = [];
    const collect = (at: string, from: StoreNode): void => {
      gone.push(at);
      for (const [name, child] of from.children) collect(`${at}/${name}`, child);
    };
    collect(path, node);
    return gone;
  }

  setPermissions(path: string, permissions: readonly StorePermission[]): boolean {
    const node = this.find(path);
    if (!node) return false;
    node.permissions = permissions.map((one) => ({ ...one }));
    node.generation = this.#next();
    return true;
  }

  #next(): number {
    this.#generation += 1;
    return this.#generation;
  }
}

const inherited = (from: readonly StorePermission[], creator: number): readonly StorePermission[] => {
  const [first, ...rest] = from;
  if (creator === 0 || !first) return from;
  return [{ domain: creator, access: first.access }, ...rest];
};

/** Whether `domain` may read or write a node with these permissions; domain 0 may do everything. */
export const permits = (node: StoreNode, domain: number, wanted: 'read' | 'write'): boolean => {
  const [first, ...rest] = node.permissions;
  if (domain === 0 || first?.domain === domain) return true;
  const access = rest.find((one) => one.domain === domain)?.access ?? first?.access ?? 'none';
  return access === 'both' || access === wanted;
};
