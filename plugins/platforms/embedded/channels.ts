// SPDX-License-Identifier: MIT

import { Errno, type EventChannel, HostError } from '../../../core/platform/index.ts';
import type { Journal } from './journal.ts';

/** A bound channel as the ledger shows it, seen from the end that bound it. */
export interface LedgerChannel {
  readonly domain: number;
  readonly port: number;
  readonly remoteDomain: number;
  readonly remotePort: number;
}

interface Port {
  readonly domain: number;
  readonly port: number;
  readonly remoteDomain: number;
  readonly listener: () => void;
  /** Of a port that a PIRQ is bound to. */
  readonly pirq?: PirqPort;
  peer: Port | undefined;
  /** Set by `bindInterdomain`: this end is the one that the ledger lists. */
  readonly binder: boolean;
  masked: boolean;
  pending: boolean;
  queued: boolean;
  closed: boolean;
}

/** What a port that a PIRQ is bound to tells. */
export interface PirqPort {
  /** The domain has dealt with the interrupt. */
  eoi(): void;
  /** The port was closed. */
  unbound(): void;
}

/** The domain end of the tables of ports. */
export interface DomainPorts {
  /** A port that `remoteDomain` may bind to. */
  allocUnbound(remoteDomain: number, listener: () => void): EventChannel;
  bindInterdomain(remoteDomain: number, remotePort: number, listener: () => void): EventChannel;
  /** A port for a PIRQ; `raise` delivers an interrupt to it, `unmask` of the channel is the EOI. */
  bindPirq(pirq: PirqPort, listener: () => void): { readonly channel: EventChannel; readonly raise: () => void };
  closeAll(): void;
}

/** Event channels of all domains. One macrotask delivers all that is pending; without events nothing runs. */
export class Channels {
  readonly #journal: Journal;
  readonly #domains = new Map<number, Map<number, Port>>();
  readonly #nextPort = new Map<number, number>();
  #queue: Port[] = [];
  #scheduled = false;
  #delivered = 0;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Deliveries so far. */
  get delivered(): number {
    return this.#delivered;
  }

  forDomain(domain: number): DomainPorts {
    return {
      allocUnbound: (remoteDomain, listener) => {
        const port = this.#open({ domain, remoteDomain, listener, binder: false });
        this.#journal.add(`evtchn alloc d${domain} port ${port.port} for d${remoteDomain}`);
        return this.#handle(port);
      },
      bindInterdomain: (remoteDomain, remotePort, listener) => {
        const remote = this.#domains.get(remoteDomain)?.get(remotePort);
        if (!remote || remote.peer || remote.remoteDomain !== domain) {
          const why = remote ? (remote.peer ? 'bound already' : 'reserved for another domain') : 'no such port';
          this.#journal.add(`evtchn bind d${remoteDomain} port ${remotePort}: EINVAL (${why})`);
          throw new HostError('bind interdomain', Errno.EINVAL, `domain ${remoteDomain}, port ${remotePort}: ${why}`);
        }
        const local = this.#open({ domain, remoteDomain, listener, binder: true });
        local.peer = remote;
        remote.peer = local;
        this.#journal.add(`evtchn bind d${remoteDomain} port ${remotePort} as ${local.port}`);
        // An event sent before the binding would be lost: the hypervisor always marks a new channel pending.
        this.#raise(local);
        return this.#handle(local);
      },
      bindPirq: (pirq, listener) => {
        const port = this.#open({ domain, remoteDomain: domain, listener, binder: false, pirq });
        return { channel: this.#handle(port), raise: () => this.#raise(port) };
      },
      closeAll: () => {
        for (const port of [...(this.#domains.get(domain)?.values() ?? [])]) this.#close(port);
      },
    };
  }

  /** The domain is gone, and its ports are closed. */
  dropDomain(domain: number): void {
    this.#domains.delete(domain);
    this.#nextPort.delete(domain);
  }

  bound(): LedgerChannel[] {
    const lines: LedgerChannel[] = [];
    for (const ports of this.#domains.values()) {
      for (const { binder, domain, port, remoteDomain, peer } of ports.values()) {
        if (binder) lines.push({ domain, port, remoteDomain, remotePort: peer?.port ?? 0 });
      }
    }
    return lines;
  }

  #open(facts: Pick<Port, 'domain' | 'remoteDomain' | 'listener' | 'binder' | 'pirq'>): Port {
    const number = this.#nextPort.get(facts.domain) ?? 1;
    this.#nextPort.set(facts.domain, number + 1);
    const port: Port = {
      ...facts,
      port: number,
      peer: undefined,
      masked: false,
      pending: false,
      queued: false,
      closed: false,
    };
    const ports = this.#domains.get(facts.domain) ?? new Map<number, Port>();
    this.#domains.set(facts.domain, ports);
    ports.set(number, port);
    return port;
  }

  #handle(port: Port): EventChannel {
    return {
      port: port.port,
      notify: () => {
        if (port.closed) this.#breach(port, 'notify after close');
        if (port.closed) throw new HostError('notify', Errno.ENOTCONN, `port ${port.port}`);
        if (port.peer) this.#raise(port.peer);
      },
      unmask: () => {
        if (port.closed || !port.masked) {
          this.#breach(port, port.closed ? 'unmask after close' : 'unmask without a delivery');
          return;
        }
        port.masked = false;
        port.pirq?.eoi();
        if (port.pending) this.#enqueue(port);
      },
      close: () => {
        if (port.closed) this.#breach(port, 'close twice');
        this.#close(port);
      },
    };
  }

  /** Only the end that bound the channel is the host's; a guest may do what it likes. */
  #breach(port: Port, what: string): void {
    if (port.binder) this.#journal.breach(`evtchn d${port.domain} port ${port.port}: ${what}`);
  }

  #raise(port: Port): void {
    port.pending = true;
    if (!port.masked) this.#enqueue(port);
  }

  #enqueue(port: Port): void {
    if (port.queued) return;
    port.queued = true;
    this.#queue.push(port);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#deliver());
  }

  #deliver(): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#scheduled = false;
    let next = 0;
    try {
      while (next < queue.length) {
        const port = queue[next++];
        if (!port) continue;
        port.queued = false;
        if (port.closed || port.masked || !port.pending) continue;
        port.pending = false;
        port.masked = true;
        this.#delivered += 1;
        port.listener();
      }
    } finally {
      // A throwing listener must not cost the other channels their events.
      if (next < queue.length) {
        this.#queue = [...queue.slice(next), ...this.#queue];
        this.#schedule();
      }
    }
  }

  #close(port: Port): void {
    if (port.closed) return;
    port.closed = true;
    port.pending = false;
    // The other end falls back to unbound: its notifications go nowhere.
    if (port.peer) port.peer.peer = undefined;
    port.peer = undefined;
    this.#domains.get(port.domain)?.delete(port.port);
    port.pirq?.unbound();
    this.#journal.add(`evtchn close d${port.domain} port ${port.port}`);
  }
}
