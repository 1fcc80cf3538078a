// SPDX-License-Identifier: MIT

import type { PciResource } from '../core/platform/index.ts';
import { type Bdf, formatBdf, ResourceFlag } from '../core/plugin/index.ts';

/** What the hypervisor gives a guest memory in. */
const PAGE_BYTES = 4096n;
const ROM = 6;

/** A function and where the host has its BARs. */
export interface Placed {
  readonly bdf: Bdf;
  readonly resources: readonly PciResource[];
}

interface Span {
  readonly name: string;
  /** Numbers of its first and last page. */
  readonly first: bigint;
  readonly last: bigint;
}

const { memory, disabled, unassigned } = ResourceFlag;

const spansOf = (resources: readonly PciResource[]): Span[] =>
  resources.flatMap(({ start, size, flags }, index) => {
    if (size === 0n || (flags & memory) === 0 || (flags & (disabled | unassigned)) !== 0) return [];
    const name = index === ROM ? 'its ROM' : `BAR ${index}`;
    return { name, first: start / PAGE_BYTES, last: (start + size - 1n) / PAGE_BYTES };
  });

/** Whether a BAR has only a part of a page, so that there is room for another one in it. */
export const hasPartOfPage = (resources: readonly PciResource[]): boolean =>
  resources.some(
    ({ start, size, flags }) =>
      size !== 0n && (flags & memory) !== 0 && (start % PAGE_BYTES !== 0n || size % PAGE_BYTES !== 0n),
  );

/**
 * Pages of memory in which both functions have a BAR. A guest that gets one gets the whole page, and with it registers of the
 * other (XSA-461).
 *
 * @returns in words, `BAR 0 has page 0xfebc1000 together with BAR 2 of 0000:00:1d.0`
 */
export const sharedPages = (own: Placed, other: Placed): readonly string[] =>
  spansOf(own.resources).flatMap((mine) =>
    spansOf(other.resources)
      .filter(({ first, last }) => mine.first <= last && first <= mine.last)
      .map(({ name, first }) => {
        const page = (first > mine.first ? first : mine.first) * PAGE_BYTES;
        return `${mine.name} has page 0x${page.toString(16)} together with ${name} of ${formatBdf(other.bdf)}`;
      }),
  );
