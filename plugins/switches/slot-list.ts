// SPDX-License-Identifier: MIT

import { type Bdf, bdf, busOf, parseBdf, segmentOf } from '../../core/bdf.ts';
import type { AddressPattern } from '../../core/config.ts';
import type { Engine } from '../../core/pciback.ts';
import { parseBdfPattern } from '../bdf-pattern.ts';
import { fail } from '../errors.ts';
import type { Config } from '../kinds/config.ts';

const DEVFNS = 256;

/** Every address that a pattern names, whether there is a function or not. */
const addressesOf = (pattern: AddressPattern): Bdf[] => {
  const first = parseBdf(pattern.text.replaceAll('*', '0'));
  const ofBus = Array.from({ length: DEVFNS }, (_, devfn) => bdf(segmentOf(first), busOf(first), devfn));
  return ofBus.filter((address) => pattern.matches(address));
};

/**
 * Addresses of functions that may be seized at run time. It begins with what `hide` of the rc file names; nothing is seized or
 * let go of by a change of it.
 */
export class SlotList {
  readonly #addresses = new Set<Bdf>();

  /** Addresses of `hide` as they are, whether there is a function or not; ids as the functions that have them now. */
  static async of({ hide }: Config, { platform }: Engine): Promise<SlotList> {
    const slots = new SlotList();
    // Only ids need what is there.
    const there = hide.some(({ text }) => !text.includes('.')) ? await platform.pci.list() : [];
    for (const pattern of hide) {
      if (pattern.text.includes('.')) slots.add(pattern.text);
      else for (const one of there.filter((device) => pattern.matches(device))) slots.#addresses.add(one.bdf);
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
