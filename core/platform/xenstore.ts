// SPDX-License-Identifier: MIT

/** Letter and domain as in xenstore: the first entry of a list names the owner and everybody else's default. */
export interface StorePermission {
  readonly domain: number;
  readonly access: 'none' | 'read' | 'write' | 'both';
}

/** Reads and writes of one consistent view: the store itself, or a transaction on it. */
export interface StoreView {
  /** The node's value; `undefined` when there is no such node. Any other failure rejects. */
  read(path: string): Promise<string | undefined>;
  /** Names of the children, in the store's order; `undefined` when there is no such node. */
  list(path: string): Promise<string[] | undefined>;
  /** Writes the node, making missing parents. */
  write(path: string, value: string): Promise<void>;
  /** Removes the node and everything below it. A node that is not there is not an error. */
  remove(path: string): Promise<void>;
  setPermissions(path: string, permissions: readonly StorePermission[]): Promise<void>;
}

/** A registered watch. */
export interface StoreWatch {
  /** After it resolves the listener is never called again. */
  close(): Promise<void>;
}

/**
 * The xenstore.
 *
 * Obligations of an implementation:
 * - a watch fires once after registration and then at least once after each change of the path or anything below it;
 *   it may fire more often. What it delivers is a hint: the reader reads the nodes again;
 * - the listener is called with the absolute path that changed, never while a call of the same watch is on the stack;
 * - `transaction` retries its work on conflict, so the work must have no effects outside the view it is given;
 * - when the connection is lost every pending and later call rejects with `STORE_LOST` and `lost` resolves.
 */
export interface Xenstore extends StoreView {
  watch(path: string, listener: (path: string) => void): Promise<StoreWatch>;
  transaction<T>(work: (view: StoreView) => Promise<T>): Promise<T>;
  /** Resolves, with the cause, when the store is gone; stays pending while it is there and after an orderly close. */
  readonly lost: Promise<Error>;
}
