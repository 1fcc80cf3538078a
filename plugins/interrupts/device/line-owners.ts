// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/plugin/index.ts';

/** One device that has a line, in the hands of a guest. */
export interface LineOwner {
  readonly bdf: Bdf;
  readonly domain: number;
  /** Number of its line on the host. */
  readonly line: number;
  /** Whether it is kept from its line. */
  isKept(): boolean;
}

/** Which guests have devices on which lines, over all devices. */
export class LineOwners {
  readonly #owners = new Set<LineOwner>();

  add(owner: LineOwner): void {
    this.#owners.add(owner);
  }

  delete(owner: LineOwner): void {
    this.#owners.delete(owner);
  }

  /** Devices of other guests that use the line, in words. */
  others({ line, domain }: LineOwner): readonly string[] {
    return [...this.#owners]
      .filter((one) => one.line === line && one.domain !== domain && !one.isKept())
      .map((one) => `${formatBdf(one.bdf)} of domain ${one.domain}`);
  }
}
