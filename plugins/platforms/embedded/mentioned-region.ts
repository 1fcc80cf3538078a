// SPDX-License-Identifier: MIT

/** A region as a verbose dump tells it: what the kernel knows, whatever the register shows. */
export interface MentionedRegion {
  /** BAR number, where the dump is verbose enough to have it. */
  readonly index: number | undefined;
  readonly kind: 'memory' | 'io' | 'rom';
  /** Missing: the kernel has not assigned it, or ignores it. */
  readonly start: bigint | undefined;
  readonly size: bigint;
  /** A memory address of 64 bits, in two registers. */
  readonly wide: boolean;
  readonly prefetchable: boolean;
}

const REGION =
  /^\s+(?:Region (\d): )?(?:\[\w+\] )?(?:Expansion )?(Memory|I\/O ports|ROM) at (<[\w-]+>|[0-9a-f]+)?(.*?)\[size=(\d+)([KMGT]?)\]/;
const units: Readonly<Record<string, bigint>> = { '': 1n, K: 1024n, M: 1024n ** 2n, G: 1024n ** 3n, T: 1024n ** 4n };
const kinds = { Memory: 'memory', 'I/O ports': 'io', ROM: 'rom' } as const;

/** Reads a line like `Region 0: [virtual] Memory at fb400000 (64-bit, prefetchable) [size=16K]`. */
export const mentionedRegion = (content: string): MentionedRegion | undefined => {
  const found = REGION.exec(content);
  if (!found) return undefined;
  const [, index, kind = 'Memory', at, words = '', size = '0', unit = ''] = found;
  return {
    index: index === undefined ? undefined : Number(index),
    kind: kinds[kind as keyof typeof kinds],
    start: at === undefined || at.startsWith('<') ? undefined : BigInt(`0x${at}`),
    size: BigInt(size) * (units[unit] ?? 1n),
    wide: words.includes('64-bit'),
    prefetchable: /(?<!non-)prefetchable/.test(words),
  };
};
