// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../core/bdf.ts';
import { isPcibackError } from '../../core/errors/index.ts';
import type { GuestFacts } from '../../core/facts.ts';
import type { Logger } from '../../core/log.ts';
import type { Engine } from '../../core/pciback.ts';
import type { PciListing } from '../../core/platform/index.ts';
import { fail } from '../errors.ts';
import type { Config } from '../kinds/config.ts';
import { detailsOf, usesOf } from '../kinds/platform.ts';
import { hasPartOfPage, type Placed, sharedPages } from '../shared-pages.ts';

/** What an operator can allow for one function, by name on the command line. */
export const allowances = ['in-use', 'shared-page'] as const;
export type Allowance = (typeof allowances)[number];

const keys = { 'in-use': 'allowInUse', 'shared-page': 'allowSharedPages' } as const satisfies Record<
  Allowance,
  keyof Config
>;

export interface ConsentTerms {
  readonly engine: Engine;
  /** Read at each use: a reload changes it. */
  readonly config: Pick<Config, 'allowInUse' | 'allowSharedPages'>;
  readonly log: Logger;
}

const unlessGone = (error: unknown): undefined => {
  if (isPcibackError(error, 'DEVICE_NOT_FOUND')) return undefined;
  throw error;
};

/** Keeps functions that the host uses from being taken, and those that share a page of memory from having two owners. */
export class Consent {
  readonly #terms: ConsentTerms;
  /** Said for one function at run time, until it is released. */
  readonly #allowed = new Map<Bdf, ReadonlySet<Allowance>>();

  constructor(terms: ConsentTerms) {
    this.#terms = terms;
  }

  /** From now on until {@link forget}. */
  allow(address: Bdf, what: readonly Allowance[]): void {
    this.#allowed.set(address, new Set(what));
  }

  forget(address: Bdf): void {
    this.#allowed.delete(address);
  }

  #isAllowed(what: Allowance, address: Bdf): boolean {
    return (
      this.#allowed.get(address)?.has(what) === true ||
      this.#terms.config[keys[what]].some((pattern) => pattern.matches(address))
    );
  }

  /** For `Stub.consent`. @throws PcibackError `DEVICE_HOST_USE`, `DEVICE_PAGE_SHARED`; HostError */
  readonly ask = async (address: Bdf, guest?: GuestFacts): Promise<void> => {
    const bdf = formatBdf(address);
    const { log } = this.#terms;
    if (guest === undefined) {
      const uses = await usesOf(this.#terms.engine.platform, address);
      if (uses.length === 0) return;
      if (!this.#isAllowed('in-use', address)) fail('DEVICE_HOST_USE', { bdf, uses });
      log.warn({ bdf, uses }, 'taken from the host, which uses it: it is allowed');
      return;
    }
    const shares = await this.sharesOf(address, guest.domain);
    if (shares.length === 0) return;
    if (!this.#isAllowed('shared-page', address))
      fail('DEVICE_PAGE_SHARED', { bdf, guest: `domain ${guest.domain}`, shares });
    log.warn({ bdf, guest: guest.domain, shares }, 'given to a guest, which reaches another device too: it is allowed');
  };

  /**
   * Pages of memory that a seized device has together with devices of others, in words.
   *
   * @param domain whose own devices are no others; missing: nobody's
   */
  async sharesOf(address: Bdf, domain?: number): Promise<readonly string[]> {
    const { platform, stub } = this.#terms.engine;
    const device = stub.devices.find((one) => one.bdf === address);
    const own = device && { bdf: address, resources: device.operations.hardware.resources };
    // As almost every device: nothing has to be looked up for it.
    if (own === undefined || !hasPartOfPage(own.resources)) return [];
    const found: string[] = [];
    for (const listed of await platform.pci.list()) {
      const owner = listed.bdf === address ? undefined : this.#ownerOf(listed, domain);
      if (owner === undefined) continue;
      const resources = (await detailsOf(platform, listed.bdf).catch(unlessGone))?.resources ?? [];
      const other: Placed = { bdf: listed.bdf, resources };
      found.push(...sharedPages(own, other).map((one) => `${one}, which ${owner} has`));
    }
    return found;
  }

  /** Who has a function; `undefined`: nobody, or this domain. */
  #ownerOf({ bdf, holder }: PciListing, domain: number | undefined): string | undefined {
    const { stub } = this.#terms.engine;
    const held = stub.devices.find((one) => one.bdf === bdf);
    if (held !== undefined) {
      const owner = held.assignment?.tenant.domain;
      return owner === undefined || owner === domain ? undefined : `domain ${owner}`;
    }
    const directory = stub.foreign(bdf);
    if (directory !== undefined) return `a guest of another back end (${directory})`;
    return holder === 'free' || holder === 'seizable' ? undefined : `driver ${holder} of the host`;
  }
}
