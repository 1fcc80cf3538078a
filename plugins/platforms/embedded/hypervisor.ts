// SPDX-License-Identifier: MIT

import type { Bdf } from '../../../core/bdf.ts';
import {
  Errno,
  type EventChannel,
  type EventChannels,
  type GrantTable,
  HostError,
  type InterruptMapper,
} from '../../../core/platform/index.ts';
import { Channels, type DomainPorts, type LedgerChannel, type PirqPort } from './channels.ts';
import { Grants, type LedgerMapping, PAGE_BYTES } from './grants.ts';
import { type Duties, Journal } from './journal.ts';
import { type LineSharing, Lines } from './lines.ts';
import { type HostFunction, type LedgerPirq, Pirqs } from './pirqs.ts';

export type { HostFunction } from './pirqs.ts';

/** Everything that is held of the hypervisor right now. */
export interface Ledger {
  readonly domains: readonly number[];
  readonly mapped: readonly LedgerMapping[];
  readonly bound: readonly LedgerChannel[];
  readonly pirqs: readonly LedgerPirq[];
  readonly assigned: readonly { readonly domain: number; readonly bdf: string }[];
  /** Functions whose MSI-X table was announced by `prepareMsix`. */
  readonly prepared: readonly string[];
  readonly illegal: readonly string[];
}

/** What a domain's own kernel can ask of the hypervisor. */
export interface DomainHandle {
  readonly domain: number;
  readonly grants: GrantTable;
  readonly events: EventChannels;
  readonly ports: DomainPorts;
  /** A zero-filled page of the domain. */
  allocatePage(): ArrayBufferLike;
  grantAccess(to: number, page: ArrayBufferLike): number;
  endAccess(reference: number): boolean;
  /**
   * Takes the interrupts of a line that the toolstack mapped (EVTCHNOP_bind_pirq); `unmask` of the channel is the EOI.
   *
   * @throws HostError `EINVAL` for a PIRQ that is no line of this domain, `EEXIST`, `EBUSY` where one side does not share
   */
  bindPirq(pirq: number, sharing: LineSharing, listener: () => void): EventChannel;
  /** Unmaps and unbinds everything this domain has. */
  release(): void;
}

/** Gives 4096 bytes of zeros, that live as long as somebody uses them. */
export type PageSource = () => ArrayBufferLike;

/** The hypervisor of the embedded platform. Domain 0 exists from the start. */
export class Hypervisor {
  readonly #journal: Journal;
  readonly #grants: Grants;
  readonly #channels: Channels;
  readonly #domains = new Map<number, DomainHandle>();
  readonly #pirqs: Pirqs;
  readonly #pages: PageSource;
  /** Line interrupts: the host's half of them, and what the other parties do to a line. */
  readonly lines: Lines;
  #nextDomain = 1;

  /** PIRQs and the MSI rules, as domain 0 asks for them. */
  readonly interrupts: InterruptMapper = {
    prepareMsix: (device) => this.#pirqs.prepareMsix(device.identity.bdf),
    releaseMsix: (device) => this.#pirqs.releaseMsix(device.identity.bdf),
    mapMsi: (domain, device) => this.#pirqs.mapMsi(domain, device.identity.bdf),
    mapMsix: (domain, device, entry, tableBase) => this.#pirqs.mapMsix(domain, device.identity.bdf, entry, tableBase),
    mappedFor: (domain, device, entry) => this.#pirqs.mappedFor(domain, device, entry),
    restoreMessages: (device) => this.#pirqs.restoreMessages(device.identity.bdf),
    unmap: (domain, pirq) => {
      try {
        this.#pirqs.unmap(domain, pirq);
      } catch (error) {
        // The guest's end took its PIRQs with it.
        if (!(error instanceof HostError) || error.errno !== Errno.ESRCH) {
          this.#journal.breach(`unmap_pirq ${pirq} d${domain}, which is not mapped`);
          throw error;
        }
      }
    },
    linePirq: (device) => this.#pirqs.lineOf(device.identity.bdf),
  };

  /**
   * @param judgeAfter interrupts after which the host shuts off a line that hardly anybody there claims
   * @param pages memory of domains; missing: of this process
   */
  constructor(duties?: Duties, judgeAfter?: number, pages: PageSource = () => new SharedArrayBuffer(PAGE_BYTES)) {
    this.#pages = pages;
    const journal = new Journal(duties);
    this.#journal = journal;
    this.#grants = new Grants(journal);
    this.#channels = new Channels(journal);
    this.lines = new Lines(journal, judgeAfter);
    this.#pirqs = new Pirqs(journal, (domain) => this.#domains.has(domain));
    this.#domains.set(0, this.#makeHandle(0));
  }

  /** Makes a domain; without a number the next free one. @throws HostError `EEXIST`. */
  createDomain(wanted?: number): DomainHandle {
    const domain = wanted ?? this.#nextDomain;
    if (this.#domains.has(domain)) throw new HostError('create domain', Errno.EEXIST, `domain ${domain}`);
    this.#nextDomain = Math.max(this.#nextDomain, domain + 1);
    const handle = this.#makeHandle(domain);
    this.#domains.set(domain, handle);
    this.#journal.add(`domain create d${domain}`);
    return handle;
  }

  /** Ends a domain: its ports, grants, PIRQs and assignments go; pages of it that are mapped stay until unmapped. */
  destroyDomain(domain: number): void {
    const handle = this.#domains.get(domain);
    if (!handle || domain === 0) throw new HostError('destroy domain', Errno.ESRCH, `domain ${domain}`);
    handle.release();
    this.#domains.delete(domain);
    this.#channels.dropDomain(domain);
    this.#grants.dropDomain(domain);
    this.#pirqs.dropDomain(domain);
    this.#journal.add(`domain destroy d${domain}`);
  }

  /** @throws HostError `ESRCH`. */
  domain(domain: number): DomainHandle {
    const handle = this.#domains.get(domain);
    if (!handle) throw new HostError('domain', Errno.ESRCH, `domain ${domain}`);
    return handle;
  }

  exists(domain: number): boolean {
    return this.#domains.has(domain);
  }

  addFunction(fn: HostFunction): void {
    this.#pirqs.addFunction(fn);
  }

  assign(domain: number, address: Bdf): void {
    this.#pirqs.assign(domain, address);
  }

  deassign(domain: number, address: Bdf): void {
    this.#pirqs.deassign(domain, address);
  }

  /** The domain a function is assigned to. */
  ownerOf(address: Bdf): number | undefined {
    return this.#pirqs.ownerOf(address);
  }

  mapLine(domain: number, gsi: number): number {
    return this.#pirqs.mapLine(domain, gsi);
  }

  unmapPirq(domain: number, pirq: number): void {
    this.#pirqs.unmap(domain, pirq);
    this.lines.unbind(domain, pirq);
  }

  /** What is mapped, bound, assigned at this moment. */
  ledger(): Ledger {
    return {
      domains: [...this.#domains.keys()],
      mapped: this.#grants.mapped(),
      bound: this.#channels.bound(),
      pirqs: this.#pirqs.pirqs(),
      assigned: this.#pirqs.assigned(),
      prepared: this.#pirqs.prepared(),
      illegal: [...this.#journal.illegal],
    };
  }

  /** The last host calls in order, refused ones with their error. */
  get trace(): readonly string[] {
    return this.#journal.trace;
  }

  /** Events delivered so far. */
  get delivered(): number {
    return this.#channels.delivered;
  }

  /** Notes a call of the host side that breaks an obligation. */
  noteIllegal(line: string): void {
    this.#journal.addIllegal(line);
  }

  /** Notes something that is no call of the hypervisor but belongs into the order of things, e.g. a reset. */
  note(line: string): void {
    this.#journal.add(line);
  }

  #bindPirq(
    { ports, domain }: Pick<DomainHandle, 'ports' | 'domain'>,
    pirq: number,
    sharing: LineSharing,
    listener: () => void,
  ) {
    if (!this.#pirqs.hasLine(domain, pirq)) {
      throw new HostError('bind_pirq', Errno.EINVAL, `PIRQ ${pirq} is no line of domain ${domain}`);
    }
    // The line may raise the port as soon as it is bound, so each has to know the other before.
    let binding: PirqPort | undefined;
    const { channel, raise } = ports.bindPirq(
      { eoi: () => binding?.eoi(), unbound: () => binding?.unbound() },
      listener,
    );
    try {
      binding = this.lines.bind(domain, pirq, sharing, raise);
      return channel;
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  #makeHandle(domain: number): DomainHandle {
    const grants = this.#grants.forDomain(domain);
    const ports = this.#channels.forDomain(domain);
    return {
      domain,
      grants,
      ports,
      events: { bindInterdomain: (remote, port, listener) => ports.bindInterdomain(remote, port, listener) },
      allocatePage: () => this.#pages(),
      grantAccess: (to, page) => this.#grants.grant(domain, to, page),
      endAccess: (reference) => this.#grants.end(domain, reference),
      bindPirq: (pirq, sharing, listener) => this.#bindPirq({ ports, domain }, pirq, sharing, listener),
      release: () => {
        ports.closeAll();
        grants.unmapAll();
      },
    };
  }
}
