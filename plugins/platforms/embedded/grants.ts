// SPDX-License-Identifier: MIT

import { Errno, type GrantTable, HostError, type MappedPage } from '../../../core/platform/index.ts';
import type { Journal } from './journal.ts';

/** Bytes of a page. */
export const PAGE_BYTES = 4096;

/** A page that one domain let another one map. */
interface Grant {
  readonly owner: number;
  readonly reference: number;
  readonly to: number;
  readonly memory: ArrayBufferLike;
  mappings: number;
  /** Taken back, by the owner or by the owner's end, while it was still mapped. */
  ended: boolean;
}

/** A mapping that exists now. */
export interface LedgerMapping {
  /** Who mapped it. */
  readonly by: number;
  /** Whose page it is. */
  readonly domain: number;
  readonly reference: number;
}

/** First reference a domain gets: the lower ones are reserved. */
const FIRST_REFERENCE = 8;

/** Grant tables of all domains. */
export class Grants {
  readonly #journal: Journal;
  readonly #byDomain = new Map<number, Map<number, Grant>>();
  readonly #mappings = new Set<LedgerMapping & { readonly grant: Grant }>();
  readonly #nextReference = new Map<number, number>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Lets domain `to` map `memory` of domain `owner`; returns the reference. */
  grant(owner: number, to: number, memory: ArrayBufferLike): number {
    if (memory.byteLength !== PAGE_BYTES) throw new HostError('grant access', Errno.EINVAL, 'not one page');
    const table = this.#byDomain.get(owner) ?? new Map<number, Grant>();
    this.#byDomain.set(owner, table);
    const reference = this.#nextReference.get(owner) ?? FIRST_REFERENCE;
    this.#nextReference.set(owner, reference + 1);
    table.set(reference, { owner, reference, to, memory, mappings: 0, ended: false });
    this.#journal.add(`grant access d${owner} ref ${reference} to d${to}`);
    return reference;
  }

  /**
   * Takes a grant back.
   *
   * @returns false while it is still mapped: the owner must not reuse the page then
   */
  end(owner: number, reference: number): boolean {
    const grant = this.#byDomain.get(owner)?.get(reference);
    if (!grant) return true;
    if (grant.mappings > 0) return false;
    grant.ended = true;
    this.#byDomain.get(owner)?.delete(reference);
    this.#journal.add(`grant end d${owner} ref ${reference}`);
    return true;
  }

  /** The owner is gone: nothing can be mapped any more, what is mapped stays until it is unmapped. */
  dropDomain(owner: number): void {
    for (const grant of this.#byDomain.get(owner)?.values() ?? []) grant.ended = true;
    this.#byDomain.delete(owner);
    this.#nextReference.delete(owner);
  }

  /** The mapping side of domain `mapper`, and the means to drop all it has mapped. */
  forDomain(mapper: number): GrantTable & { unmapAll(): void } {
    const own = new Set<MappedPage>();
    return {
      map: (domain, reference) => {
        const grant = this.#byDomain.get(domain)?.get(reference);
        const refused = !grant ? 'no such reference' : grant.to !== mapper || grant.ended ? 'not granted' : undefined;
        if (!grant || refused !== undefined) {
          this.#journal.add(`grant map d${domain} ref ${reference}: EINVAL (${refused})`);
          throw new HostError('map grant', Errno.EINVAL, `domain ${domain}, reference ${reference}: ${refused}`);
        }
        const record = { by: mapper, domain, reference, grant };
        grant.mappings += 1;
        this.#mappings.add(record);
        this.#journal.add(`grant map d${domain} ref ${reference}`);
        const page: MappedPage = {
          memory: grant.memory,
          unmap: () => {
            if (!this.#mappings.delete(record)) {
              this.#journal.breach(`grant unmap d${domain} ref ${reference}, which is not mapped`);
              return;
            }
            own.delete(page);
            grant.mappings -= 1;
            this.#journal.add(`grant unmap d${domain} ref ${reference}`);
          },
        };
        own.add(page);
        return page;
      },
      unmapAll: () => {
        for (const page of [...own]) page.unmap();
      },
    };
  }

  mapped(): LedgerMapping[] {
    return [...this.#mappings].map(({ by, domain, reference }) => ({ by, domain, reference }));
  }
}
