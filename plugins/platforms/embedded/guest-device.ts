// SPDX-License-Identifier: MIT

import { bdf, formatBdf } from '../../../core/bdf.ts';
import { Command, Status, statusName } from '../../../core/ring/layout.ts';
import type { FrontRing, GuestAnswer } from './guest-ring.ts';

/** A BAR or ROM as sizing showed it. Addresses and sizes are exact: they lie below 2^53. */
export interface GuestBar {
  /** 0..5, 6 for the ROM. */
  readonly index: number;
  readonly kind: 'io' | 'memory32' | 'memory64' | 'rom';
  readonly start: number;
  /** Bytes. */
  readonly size: number;
  readonly prefetchable: boolean;
}

export interface GuestCapability {
  readonly id: number;
  readonly offset: number;
}

/** A write that the guest's driver or its PCI core made, and what became of it. */
export interface GuestWrite {
  /** What it was meant for, e.g. `latency timer`. */
  readonly register: string;
  readonly offset: number;
  readonly size: number;
  readonly value: number;
  readonly err: number;
  /** What the register reads afterwards; `undefined` when the write was refused or the read failed. */
  readonly readBack: number | undefined;
}

/** What the guest's driver achieved. */
export interface DriverOutcome {
  interrupts: 'msix' | 'msi' | 'line' | 'none';
  /** PIRQs: the MSI-X vectors in the order of the entries asked for, the MSI, or the line. */
  vectors: number[];
  /** Why the interrupt is not better than it is, e.g. `enable_msix: op_failed`. */
  readonly refused: string[];
  readonly writes: GuestWrite[];
}

/** A function as the guest sees it. */
export interface GuestDevice {
  readonly segment: number;
  readonly bus: number;
  readonly devfn: number;
  /** `DDDD:BB:SS.F` in the guest. */
  readonly vdev: string;
  vendor: number;
  device: number;
  subsystemVendor: number;
  subsystemDevice: number;
  /** 24 bits. */
  class: number;
  revision: number;
  headerType: number;
  multifunction: boolean;
  interruptPin: number;
  interruptLine: number;
  bars: GuestBar[];
  capabilities: GuestCapability[];
  extended: GuestCapability[];
  driver: DriverOutcome | undefined;
}

/** A request that was not answered with success, other than the scan's questions for functions that are not there. */
export interface GuestRefusal {
  readonly vdev: string;
  readonly cmd: number;
  readonly offset: number;
  readonly size: number;
  readonly value: number;
  readonly err: number;
  readonly status: string;
}

/** Most refusals that are kept. */
const REFUSAL_LIMIT = 1000;

type Size = 1 | 2 | 4;

/** Config accesses of the guest kernel, by virtual address. */
export class GuestConfig {
  readonly refusals: GuestRefusal[] = [];
  readonly #ring: FrontRing;

  constructor(ring: FrontRing) {
    this.#ring = ring;
  }

  /** The register, or `undefined` when the back end refused. */
  async read(at: Place, offset: number, size: Size): Promise<number | undefined> {
    const answer = await this.#ring.request({ ...place(at), cmd: Command.confRead, offset, size });
    if (answer.err === Status.success) return answer.value;
    if (answer.err !== Status.devNotFound || answer.timedOut)
      this.#note({ at, cmd: Command.confRead, offset, size, value: 0 }, answer);
    return undefined;
  }

  /** The error code of the answer. */
  async write(at: Place, offset: number, size: Size, value: number): Promise<number> {
    const answer = await this.#ring.request({ ...place(at), cmd: Command.confWrite, offset, size, value });
    if (answer.err !== Status.success) this.#note({ at, cmd: Command.confWrite, offset, size, value }, answer);
    return answer.err;
  }

  /** One of the interrupt commands. */
  async command(at: Place, cmd: number, entries: readonly number[] = []): Promise<GuestAnswer> {
    const answer = await this.#ring.request({ ...place(at), cmd, value: entries.length, entries });
    if (answer.err !== Status.success) this.#note({ at, cmd, offset: 0, size: 0, value: entries.length }, answer);
    return answer;
  }

  #note({ at, ...asked }: Asked, { err, timedOut }: GuestAnswer): void {
    if (this.refusals.length >= REFUSAL_LIMIT) return;
    const status = timedOut ? 'no answer' : statusName(err);
    this.refusals.push({ vdev: vdevOf(at), ...asked, value: asked.value >>> 0, err, status });
  }
}

/** A request of the guest, as it is remembered. */
interface Asked extends Pick<GuestRefusal, 'cmd' | 'offset' | 'size' | 'value'> {
  readonly at: Place;
}

/** A virtual address. */
export interface Place {
  readonly segment: number;
  readonly bus: number;
  readonly devfn: number;
}

const place = ({ segment, bus, devfn }: Place) => ({ domain: segment, bus, devfn });

export const vdevOf = ({ segment, bus, devfn }: Place): string => formatBdf(bdf(segment, bus, devfn));
