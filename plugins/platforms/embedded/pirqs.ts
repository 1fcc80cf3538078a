// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { Errno, HostError } from '../../../core/platform/index.ts';
import type { Journal } from './journal.ts';

/** What the hypervisor itself knows about a function of the host. */
export interface HostFunction {
  readonly bdf: Bdf;
  readonly line: number;
  /** Present only with an MSI capability. */
  readonly msi: boolean;
  /** The MSI-X capability: table entries and the BAR that holds the table. */
  readonly msix: { readonly entries: number; readonly tableBar: number } | undefined;
  /** Start of a BAR as the host assigned it, 0n if it has none. */
  barStart(index: number): bigint;
  /** Whether the function answers memory accesses; of a virtual function: its physical one. */
  memoryDecode(): boolean;
}

/** A PIRQ that is mapped now. */
export interface LedgerPirq {
  readonly domain: number;
  readonly pirq: number;
  readonly kind: 'line' | 'msi' | 'msix';
  readonly bdf: string;
  /** Index in the MSI-X table. */
  readonly entry?: number;
}

interface Mapping extends LedgerPirq {
  readonly address: Bdf | undefined;
}

/** First PIRQ number for message-signalled interrupts: below are the lines. */
const FIRST_MESSAGE = 256;

/** PIRQ tables of all domains, assignment of functions, and the MSI rules. */
export class Pirqs {
  readonly #journal: Journal;
  readonly #functions = new Map<Bdf, HostFunction>();
  readonly #owner = new Map<Bdf, number>();
  readonly #prepared = new Set<Bdf>();
  readonly #mapped = new Map<number, Map<number, Mapping>>();
  readonly #exists: (domain: number) => boolean;

  constructor(journal: Journal, exists: (domain: number) => boolean) {
    this.#journal = journal;
    this.#exists = exists;
  }

  addFunction(fn: HostFunction): void {
    this.#functions.set(fn.bdf, fn);
  }

  /** Gives a function to a domain. @throws HostError `ENODEV`, `ESRCH`, `EBUSY` when another domain has it. */
  assign(domain: number, address: Bdf): void {
    const call = `assign ${formatBdf(address)} d${domain}`;
    if (!this.#functions.has(address)) this.#refuse(call, Errno.ENODEV);
    if (!this.#exists(domain)) this.#refuse(call, Errno.ESRCH);
    const owner = this.#owner.get(address);
    if (owner !== undefined && owner !== domain) this.#refuse(call, Errno.EBUSY);
    this.#owner.set(address, domain);
    this.#journal.add(call);
  }

  /** Takes a function back. @throws HostError `ENODEV` when it is not assigned to that domain. */
  deassign(domain: number, address: Bdf): void {
    const call = `deassign ${formatBdf(address)} d${domain}`;
    if (this.#owner.get(address) !== domain) this.#refuse(call, Errno.ENODEV);
    this.#owner.delete(address);
    this.#journal.add(call);
  }

  ownerOf(address: Bdf): number | undefined {
    return this.#owner.get(address);
  }

  prepareMsix(address: Bdf): void {
    const call = `prepare_msix ${formatBdf(address)}`;
    const fn = this.#functionWithTable(call, address);
    if (this.#mappingsOf(fn.bdf, 'msix').length > 0) this.#refuse(call, Errno.EBUSY);
    if (this.#prepared.has(address)) {
      this.#journal.breach(`${call}: prepared already`);
      this.#refuse(call, Errno.EBUSY, 'prepared already');
    }
    this.#prepared.add(address);
    this.#journal.add(call);
  }

  releaseMsix(address: Bdf): void {
    const call = `release_msix ${formatBdf(address)}`;
    const fn = this.#functionWithTable(call, address);
    if (!this.#prepared.has(address)) this.#journal.breach(`${call}: not prepared`);
    if (!this.#prepared.has(address) || this.#mappingsOf(fn.bdf, 'msix').length > 0) this.#refuse(call, Errno.EBUSY);
    this.#prepared.delete(address);
    this.#journal.add(call);
  }

  mapMsi(domain: number, address: Bdf): number {
    const call = `map_pirq msi ${formatBdf(address)} d${domain}`;
    const fn = this.#assigned(call, domain, address);
    if (!fn.msi) this.#refuse(call, Errno.ENODEV, 'no MSI capability');
    if (this.#mappingsOf(address, 'msi').length > 0) this.#twice(call);
    this.#tearDown(address, 'msix', 'MSI');
    return this.#map(call, domain, { kind: 'msi', address });
  }

  mapMsix(domain: number, address: Bdf, entry: number, tableBase: bigint): number {
    const call = `map_pirq msix ${formatBdf(address)} d${domain} entry ${entry}`;
    const fn = this.#assigned(call, domain, address);
    const table = fn.msix;
    if (!table) return this.#refuse(call, Errno.ENODEV, 'no MSI-X capability');
    if (!Number.isInteger(entry) || entry < 0 || entry >= table.entries) this.#refuse(call, Errno.EINVAL, 'entry');
    if (!this.#prepared.has(address)) this.#refuse(call, Errno.ENODATA, 'not prepared');
    if (!fn.memoryDecode()) this.#refuse(call, Errno.ENXIO, 'memory decode is off');
    if (tableBase !== fn.barStart(table.tableBar)) {
      this.#journal.addIllegal(`${call}: table base 0x${tableBase.toString(16)} is not the start of its BAR`);
      this.#refuse(call, Errno.EINVAL, 'table base');
    }
    if (this.#mappingsOf(address, 'msix').some((one) => one.entry === entry)) this.#twice(call);
    this.#tearDown(address, 'msi', 'MSI-X');
    return this.#map(call, domain, { kind: 'msix', address, entry });
  }

  /** The message of a function that is mapped for a domain; `entry` missing: its MSI. */
  mappedFor(domain: number, address: Bdf, entry: number | undefined): number | undefined {
    const kind = entry === undefined ? 'msi' : 'msix';
    return this.#mappingsOf(address, kind).find((one) => one.domain === domain && one.entry === entry)?.pirq;
  }

  /** Writes the messages of a function again; the table is in its memory. */
  restoreMessages(address: Bdf): void {
    const call = `restore_msi ${formatBdf(address)}`;
    const fn = this.#functions.get(address);
    if (fn === undefined) this.#refuse(call, Errno.ENODEV);
    if (this.#mappingsOf(address, 'msix').length > 0 && fn?.memoryDecode() !== true)
      this.#refuse(call, Errno.ENXIO, 'memory decode is off');
    this.#journal.add(call);
  }

  /** Whether a domain has a line under this PIRQ. */
  hasLine(domain: number, pirq: number): boolean {
    return this.#mapped.get(domain)?.get(pirq)?.kind === 'line';
  }

  /** Maps a line for a domain under its own number, as the toolstack does. */
  mapLine(domain: number, gsi: number): number {
    const call = `map_pirq gsi ${gsi} d${domain}`;
    if (!this.#exists(domain)) this.#refuse(call, Errno.ESRCH);
    if (!this.#tableOf(domain).has(gsi)) {
      this.#tableOf(domain).set(gsi, { domain, pirq: gsi, kind: 'line', bdf: '', address: undefined });
    }
    this.#journal.add(`${call} = ${gsi}`);
    return gsi;
  }

  /** @throws HostError `ESRCH` for a domain that is gone, `EINVAL` for a PIRQ that is not mapped. */
  unmap(domain: number, pirq: number): void {
    const call = `unmap_pirq ${pirq} d${domain}`;
    if (!this.#exists(domain)) this.#refuse(call, Errno.ESRCH);
    if (!this.#mapped.get(domain)?.delete(pirq)) this.#refuse(call, Errno.EINVAL);
    this.#journal.add(call);
  }

  dropDomain(domain: number): void {
    this.#mapped.delete(domain);
    for (const [address, owner] of this.#owner) if (owner === domain) this.#owner.delete(address);
  }

  lineOf(address: Bdf): number {
    return this.#functions.get(address)?.line ?? 0;
  }

  pirqs(): LedgerPirq[] {
    return [...this.#all()].map(({ address: _, ...shown }) => shown);
  }

  assigned(): { domain: number; bdf: string }[] {
    return [...this.#owner].map(([address, domain]) => ({ domain, bdf: formatBdf(address) }));
  }

  prepared(): string[] {
    return [...this.#prepared].map(formatBdf);
  }

  *#all(): Generator<Mapping> {
    for (const table of this.#mapped.values()) yield* table.values();
  }

  #mappingsOf(address: Bdf, kind: 'msi' | 'msix'): Mapping[] {
    return [...this.#all()].filter((one) => one.address === address && one.kind === kind);
  }

  #tableOf(domain: number): Map<number, Mapping> {
    const there = this.#mapped.get(domain) ?? new Map<number, Mapping>();
    this.#mapped.set(domain, there);
    return there;
  }

  #assigned(call: string, domain: number, address: Bdf): HostFunction {
    if (!this.#exists(domain)) this.#refuse(call, Errno.ESRCH);
    const fn = this.#functions.get(address);
    if (!fn || this.#owner.get(address) !== domain) return this.#refuse(call, Errno.ENODEV, 'not assigned to it');
    return fn;
  }

  /** A real hypervisor follows a null pointer here and takes the host down; this one tells. */
  #functionWithTable(call: string, address: Bdf): HostFunction {
    const fn = this.#functions.get(address);
    if (!fn) return this.#refuse(call, Errno.ENODEV);
    if (fn.msix) return fn;
    this.#journal.addIllegal(`${call}: the function has no MSI-X capability`);
    throw new Error(`${call}: the host would have crashed: ${formatBdf(address)} has no MSI-X capability`);
  }

  #tearDown(address: Bdf, kind: 'msi' | 'msix', by: string): void {
    for (const one of this.#mappingsOf(address, kind)) {
      this.#mapped.get(one.domain)?.delete(one.pirq);
      this.#journal.add(`pirq ${one.pirq} d${one.domain} torn down by ${by}`);
    }
  }

  #map(call: string, domain: number, what: { kind: 'msi' | 'msix'; address: Bdf; entry?: number }): number {
    const table = this.#tableOf(domain);
    let pirq = FIRST_MESSAGE;
    while (table.has(pirq)) pirq += 1;
    table.set(pirq, { domain, pirq, bdf: formatBdf(what.address), ...what });
    this.#journal.add(`${call} = ${pirq}`);
    return pirq;
  }

  /** The hypervisor's refusal is no guard to lean on: the caller keeps a ledger (XSA-237). */
  #twice(call: string): never {
    this.#journal.breach(`${call}: mapped already`);
    return this.#refuse(call, Errno.EEXIST);
  }

  #refuse(call: string, errno: number, detail?: string): never {
    const error = new HostError(call, errno, detail);
    this.#journal.add(error.message);
    throw error;
  }
}
