// SPDX-License-Identifier: MIT

import type { Bdf } from '../../core/bdf.ts';
import type { Engine } from '../../core/pciback.ts';
import { addressesOf, parseBdfPattern } from '../device-pattern.ts';
import { fail } from '../errors.ts';
import type { Config } from '../kinds/config.ts';

/**
 * Addresses of functions that may be seized at run time. It begins with what `hide` of the rc file names; nothing is seized or
 * let go of by a change of it.
 */
export class SlotList {
  readonly #addresses = new Set<Bdf>();

  /** Addresses of `hide` as they are, whether there is a function or not; others as the functions that they mean now. */
  static async of({ hide }: Config, { platform }: Engine): Promise<SlotList> {
    const slots = new SlotList();
    const there = hide.some(({ kind }) => kind !== 'address') ? await platform.pci.list() : [];
    for (const pattern of hide) {
      if (pattern.kind === 'address') slots.add(pattern.text);
      else for (const one of there.filter(({ bdf }) => pattern.matches(bdf))) slots.#addresses.add(one.bdf);
    }
    return slots;
  }

  /** In the order of adding. */
  get addresses(): readonly Bdf[] {
    return [...this.#addresses];
  }

  /** Adds an address, or all of a pattern; those that are there stay in their place. @throws PcibackError `BDF_SYNTAX`, `BDF_RANGE` */
  add(text: string): void {
    for (const address of addressesOf(parseBdfPattern(text))) this.#addresses.add(address);
  }

  /** Takes an address out, or all of a pattern. @throws PcibackError `BDF_SYNTAX`, `BDF_RANGE`, `ATTRIBUTE_REFUSED` when none is there */
  remove(text: string): void {
    const pattern = parseBdfPattern(text);
    const found = this.addresses.filter((address) => pattern.matches(address));
    for (const address of found) this.#addresses.delete(address);
    if (found.length > 0) return;
    const why = `${pattern.text} is not in the list`;
    fail('ATTRIBUTE_REFUSED', {
      attribute: 'remove_slot',
      errno: 'ENOENT',
      why,
      next: '`pciback attribute slots` shows the list.',
    });
  }

  /** Whether the function may be seized: itself or a bridge above it is in the list. */
  async matches(address: Bdf, { platform }: Engine): Promise<boolean> {
    if (this.#addresses.has(address)) return true;
    return (await platform.pci.bridgesAbove(address)).some((bridge) => this.#addresses.has(bridge));
  }
}
