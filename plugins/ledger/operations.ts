// SPDX-License-Identifier: MIT

import { readdirSync } from 'node:fs';
import { z } from 'zod';
import { formatBdf } from '../../core/bdf.ts';
import type { Engine, Ledger } from '../../core/pciback.ts';
import type { Census, Holding, Platform } from '../../core/platform/index.ts';
import type { SeizedDevice } from '../../core/stub/index.ts';
import { type OperationsOf, operation } from '../kinds/part.ts';

/** What the process itself has open. */
export interface ProcessHoldings {
  /** Open files, sockets and devices. */
  readonly descriptors: number;
  /** Timers that wait. */
  readonly timers: number;
}

/** One comparison with what the hypervisor or the host says. */
export interface LedgerRow {
  readonly what: string;
  readonly ours: number | string;
  readonly theirs: number | string;
  /** Where theirs was asked. */
  readonly source: string;
  readonly equal: boolean;
}

export interface LedgerReport {
  readonly ledger: Ledger;
  readonly process: ProcessHoldings;
  readonly held: readonly Holding[];
  readonly rows: readonly LedgerRow[];
  /** Kinds of which the host does not tell. */
  readonly notAsked: readonly string[];
}

const kinds = { page: 'pages of guests', channel: 'event channels', pirq: 'PIRQs', watch: 'xenstore watches' } as const;

export const processHoldings = (): ProcessHoldings => ({
  descriptors: readdirSync('/proc/self/fd').length,
  timers: process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length,
});

/** `page of domain 3 (reference 8)`: for messages. */
export const holdingText = ({ kind, domain, what }: Holding): string =>
  `${kind}${domain === undefined ? '' : ` of domain ${domain}`} (${what})`;

const censusRow = (held: readonly Holding[], { kind, count, source }: Census): LedgerRow => {
  const ours = held.filter((one) => one.kind === kind).length;
  return { what: kinds[kind], ours, theirs: count, source, equal: ours === count };
};

/** Whether the host still has each seized function where pciback keeps it. */
const deviceRows = async (platform: Platform, devices: readonly SeizedDevice[]): Promise<readonly LedgerRow[]> => {
  const listed = new Map((await platform.pci.list()).map((one) => [one.bdf, one]));
  return devices.map(({ bdf }) => {
    const holder = listed.get(bdf)?.holder ?? 'gone';
    const gone = holder === 'gone' || holder === 'free';
    return { what: formatBdf(bdf), ours: 'seized', theirs: holder, source: 'PCI bus', equal: !gone };
  });
};

/** Whether xenstore has a directory of each guest, and none of another one that is connected. */
const guestRows = async (engine: Engine): Promise<readonly LedgerRow[]> => {
  const { domain, xenstore } = engine.platform;
  const source = `/local/domain/${domain}/backend/pci`;
  const there = new Set((await xenstore.list(source)) ?? []);
  return engine.guests().map((guest) => {
    const found = there.has(String(guest.domain));
    const theirs = found ? 'there' : 'gone';
    return { what: `domain ${guest.domain}`, ours: guest.state, theirs, source, equal: found };
  });
};

/** What is held, beside what the hypervisor and the host say. */
export const ledgerOf = async (engine: Engine): Promise<LedgerReport> => {
  const { platform, stub } = engine;
  // Asked in one turn of the loop: nothing is acquired or given back in between.
  const held = platform.held?.() ?? [];
  const census = platform.census?.() ?? [];
  const ledger = engine.ledger();
  const asked = new Set(census.map(({ kind }) => kind));
  return {
    ledger,
    process: processHoldings(),
    held,
    rows: [
      ...census.map((one) => censusRow(held, one)),
      ...(await deviceRows(platform, stub.devices)),
      ...(await guestRows(engine)),
    ],
    notAsked: (Object.keys(kinds) as Holding['kind'][]).filter((kind) => !asked.has(kind)).map((kind) => kinds[kind]),
  };
};

export const operations = {
  ledger: operation({
    about: 'What is held for guests, each by itself, and what the hypervisor and the host say about it.',
    asks: z.strictObject({}),
    answer: (_asked, { engine }): Promise<LedgerReport> => ledgerOf(engine),
  }),
};

export type LedgerOperations = OperationsOf<typeof operations>;
