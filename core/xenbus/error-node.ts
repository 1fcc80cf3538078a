// SPDX-License-Identifier: MIT

import type { Xenstore } from '../platform/index.ts';

/** Where a guest's error stands in the store. */
export class ErrorNode {
  readonly #store: Xenstore;
  readonly #node: string;
  /** What was written last. */
  #text: string | undefined;

  /** @param directory the back end's */
  constructor(store: Xenstore, directory: string) {
    this.#store = store;
    this.#node = directory.replace(/^\/local\/domain\/\d+/, (own) => `${own}/error`);
  }

  async write(text: string): Promise<void> {
    if (text === this.#text) return;
    await this.#store.write(`${this.#node}/error`, `22 ${text}`.slice(0, 1024));
    this.#text = text;
  }

  /** The guest is gone, and its error with it. */
  async forget(): Promise<void> {
    if (this.#text === undefined) return;
    await this.#store.transaction(async (view) => {
      await view.remove(this.#node);
      const ofDomain = this.#node.replace(/\/\d+$/, '');
      if ((await view.list(ofDomain))?.length === 0) await view.remove(ofDomain);
    });
  }
}
