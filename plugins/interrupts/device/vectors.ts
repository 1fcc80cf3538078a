// SPDX-License-Identifier: MIT

import {
  type DeviceInterrupts,
  Errno,
  HostError,
  type HostOperations,
  type InterruptMapper,
  type InterruptMemory,
  type InterruptNotes,
  MAX_VECTORS,
  type MessageKind,
  type Request,
  Status,
} from '../../../core/plugin/index.ts';
import { Msi, Msix } from './registers.ts';

/** Most PIRQs fit an answer: `msix_entries[].vector` has 16 bits (D-I6). */
const HIGHEST_PIRQ = 0xffff;

/** The command register, and its bit that lets the function answer accesses to its memory. */
const COMMAND = 0x04;
const MEMORY_DECODE = 0x2;

/** What the vectors of one device need to know. */
export interface VectorTerms {
  readonly domain: number;
  readonly operations: HostOperations;
  readonly mapper: InterruptMapper;
  /** What outlives this process; missing: nothing does. */
  readonly memory?: InterruptMemory;
  /** Why the guest may not switch this kind on; `undefined`: it may. */
  readonly refuses: (kind: MessageKind, vectors: number) => string | undefined;
  /** A request was refused, or an unmap failed; the receiver limits the rate. */
  readonly warn: (what: string, why: string) => void;
  /** Told when MSI or MSI-X has come on, and when it has gone off: the line is out of use, or in use again. */
  readonly switched?: (state: 'on' | 'off') => void;
}

/** What is noted: before each PIRQ is mapped, after the last, before they go, and when they are gone. */
interface VectorNotes extends InterruptNotes {
  /** What they are for; missing: there are none, or they only have to be unmapped. */
  readonly kind?: MessageKind | undefined;
  /** They are being switched off. */
  readonly switchedOff?: true | undefined;
  /** Indices in the MSI-X table, in the order of the PIRQs. */
  readonly entries?: readonly number[];
}

/**
 * MSI and MSI-X of one device for one guest, with the ledger of its PIRQs: each vector is mapped once, everything
 * mapped is unmapped when it is switched off or the device comes back (XSA-237, XSA-360).
 *
 * Order, found on real hypervisors: map first, enable afterwards; off first, unmap afterwards.
 */
export class Vectors
  implements Pick<DeviceInterrupts, 'enableMsi' | 'disableMsi' | 'enableMsix' | 'disableMsix' | 'restore' | 'teardown'>
{
  readonly #terms: VectorTerms;
  #on: MessageKind | undefined;
  #pirqs: number[] = [];
  #entries: number[] = [];
  /** PIRQs that an earlier process had mapped for the request that comes again, by their index in the table. */
  #mapped = new Map<number, number>();

  constructor(terms: VectorTerms) {
    this.#terms = terms;
    const { noted, interrupted } = terms.memory ?? {};
    if (noted === undefined) return;
    const { pirqs, kind, entries = [], switchedOff, mapping } = noted as VectorNotes;
    this.#pirqs = [...pirqs];
    this.#entries = [...entries];
    if (mapping !== undefined) this.#find(mapping);
    for (const pirq of this.#pirqs) terms.mapper.adopt?.(terms.domain, terms.operations.hardware, pirq);
    // Switched on again, or off, as the request that comes again asks for.
    if (interrupted === true && switchedOff !== true)
      this.#mapped = new Map(this.#pirqs.map((pirq, i) => [this.#entries[i] ?? 0, pirq]));
    else this.#on = kind;
  }

  /** An earlier process died between asking for a PIRQ and knowing its number. */
  #find(mapping: 'msi' | number): void {
    const { mapper, domain, operations, warn } = this.#terms;
    const entry = mapping === 'msi' ? undefined : mapping;
    const pirq = mapper.mappedFor?.(domain, operations.hardware.identity.bdf, entry);
    if (pirq !== undefined && !this.#pirqs.includes(pirq)) {
      this.#pirqs.push(pirq);
      this.#entries.push(entry ?? 0);
    }
    if (mapper.mappedFor === undefined)
      warn('PIRQ of an earlier process', `one may be left in domain ${domain} until that ends`);
  }

  #note(kind: MessageKind | undefined, more: Pick<VectorNotes, 'switchedOff' | 'mapping'> = {}): void {
    const none = { switchedOff: undefined, mapping: undefined };
    const notes: VectorNotes = { pirqs: this.#pirqs, kind, entries: this.#entries, ...none, ...more };
    this.#terms.memory?.note(notes);
  }

  /** Maps a PIRQ, or takes the one that an earlier process mapped for the same. */
  #map(kind: MessageKind, entry: number, map: () => number): number {
    const known = this.#mapped.get(entry);
    if (known !== undefined) return known;
    // Together with the one before, whose number is known by now.
    this.#note(kind, { mapping: kind === 'msi' ? 'msi' : entry });
    const pirq = map();
    this.#pirqs.push(pirq);
    this.#entries.push(entry);
    return pirq;
  }

  get mapped(): number {
    return this.#pirqs.length;
  }

  enableMsi(request: Request): number {
    const why = this.#tryMsi(request);
    if (why === undefined) return Status.success;
    request.value = 0;
    this.#terms.warn('enable_msi', why);
    return Status.opFailed;
  }

  /** Why it failed; `undefined` after success. */
  #tryMsi(request: Request): string | undefined {
    const { operations, mapper, domain } = this.#terms;
    if (this.#on !== undefined) return this.#on === 'msi' ? 'MSI is on already' : 'MSI-X is on';
    if (operations.msi === undefined) return 'the device has no MSI capability';
    const refused = this.#terms.refuses('msi', 1);
    if (refused !== undefined) return refused;
    try {
      const pirq = this.#map('msi', 0, () => mapper.mapMsi(domain, operations.hardware));
      this.#note('msi');
      operations.silenceIntx();
      this.#change(operations.msi + Msi.control, 0, Msi.enable);
      this.#on = 'msi';
      this.#mapped.clear();
      this.#terms.switched?.('on');
      request.value = pirq;
      return undefined;
    } catch (error) {
      this.#unmapAll();
      if (error instanceof HostError) return error.message;
      throw error;
    }
  }

  enableMsix(request: Request): number {
    const count = request.value;
    const precheck = this.#precheckMsix(count);
    if (precheck !== 0) {
      this.#terms.warn('enable_msix', precheck === Errno.EALREADY ? 'MSI-X is on already' : `errno ${precheck}`);
      return -precheck;
    }
    const errno = this.#tryMsix(request, count);
    const status = errno === 0 ? Status.success : -errno;
    request.value = status;
    return status;
  }

  /** The checks that leave `value` as sent; the positive errno of the first that fails. */
  #precheckMsix(count: number): number {
    if (count > MAX_VECTORS) return Errno.EINVAL;
    if (this.#on === 'msix') return Errno.EALREADY;
    // CVE-2015-8553: with decode off the table does not answer.
    return this.#on === 'msi' || !this.#decodes() ? Errno.ENXIO : 0;
  }

  #decodes(): boolean {
    try {
      return this.#terms.operations.decodesMemory;
    } catch (error) {
      if (error instanceof HostError) return false;
      throw error;
    }
  }

  #tryMsix(request: Request, count: number): number {
    const { operations, mapper, domain, warn } = this.#terms;
    const { msix, hardware } = operations;
    const refuse = (errno: number, why: string): number => {
      warn('enable_msix', why);
      return errno;
    };
    if (msix === undefined) return refuse(Errno.EINVAL, 'the device has no MSI-X capability');
    const refused = this.#terms.refuses('msix', count);
    if (refused !== undefined) return refuse(Errno.EINVAL, refused);
    try {
      const tableSize = (hardware.readConfig(msix + Msix.control, 2) & Msix.sizeMask) + 1;
      const wrong = checkEntries(request, count, tableSize);
      if (wrong !== undefined) return refuse(wrong.errno, wrong.why);
      if (operations.powerState !== 0) return refuse(Errno.EINVAL, 'the device is not in D0');
      const table = hardware.resources[hardware.readConfig(msix + Msix.table, 4) & Msix.barMask];
      if (table === undefined || table.size === 0n) return refuse(Errno.ENOMEM, 'the BAR of its table is not assigned');
      for (let i = 0; i < count; i++) {
        const entry = request.entry(i);
        const pirq = this.#map('msix', entry, () => mapper.mapMsix(domain, hardware, entry, table.start));
        if (pirq > HIGHEST_PIRQ) throw new HostError(`PIRQ ${pirq} does not fit the answer`, Errno.ENOSPC);
        request.setVector(i, pirq);
      }
      this.#note('msix');
      operations.silenceIntx();
      this.#change(msix + Msix.control, Msix.maskAll, Msix.enable);
      this.#on = 'msix';
      this.#mapped.clear();
      this.#terms.switched?.('on');
      return 0;
    } catch (error) {
      this.#unmapAll();
      if (error instanceof HostError) return refuse(error.errno, error.message);
      throw error;
    }
  }

  disableMsi(request: Request): number {
    // The stock 6.1 guest tears MSI-X down with disable_msi; taken literally, MSI-X would stay on for ever.
    return this.#disable(request);
  }

  disableMsix(request: Request): number {
    if (this.#on === 'msi') {
      request.value = this.#terms.mapper.linePirq(this.#terms.operations.hardware);
      return Status.success;
    }
    return this.#disable(request);
  }

  #disable(request: Request): number {
    if (this.#on !== undefined || this.#pirqs.length > 0) {
      this.#off();
      this.#terms.switched?.('off');
    }
    request.value = this.#terms.mapper.linePirq(this.#terms.operations.hardware);
    return Status.success;
  }

  restore(): void {
    const { msi, msix } = this.#terms.operations;
    if (this.#on === undefined) return;
    this.#terms.operations.silenceIntx();
    this.#restoreMessages();
    if (this.#on === 'msi' && msi !== undefined) this.#change(msi + Msi.control, 0, Msi.enable);
    if (this.#on === 'msix' && msix !== undefined) this.#change(msix + Msix.control, Msix.maskAll, Msix.enable);
  }

  /** Only who mapped them knows the messages, and writes and masks them in a table that answers: its guest had that on. */
  #restoreMessages(): void {
    const { mapper, operations } = this.#terms;
    const { hardware, decodesMemory } = operations;
    if (this.#on === 'msix' && !decodesMemory) this.#change(COMMAND, 0, MEMORY_DECODE);
    mapper.restoreMessages?.(hardware);
  }

  teardown(): number {
    const count = this.#pirqs.length;
    this.#off();
    return count;
  }

  /** Off in the device, then unmapped; a step that fails does not keep the others from being done. */
  #off(): void {
    const { operations, warn } = this.#terms;
    if (this.#on !== undefined) this.#note(this.#on, { switchedOff: true });
    const step = (name: string, work: () => void): void => {
      try {
        work();
      } catch (error) {
        if (!(error instanceof HostError)) throw error;
        warn(name, error.message);
      }
    };
    if (this.#on === 'msix' && operations.msix !== undefined) {
      const control = operations.msix + Msix.control;
      step('MSI-X off', () => this.#change(control, Msix.enable, 0));
    }
    if (this.#on === 'msi' && operations.msi !== undefined) {
      const control = operations.msi + Msi.control;
      step('MSI off', () => this.#change(control, Msi.enable, 0));
    }
    if (this.#on !== undefined) step('INTx on', () => operations.resumeIntx());
    this.#on = undefined;
    this.#unmapAll();
  }

  #unmapAll(): void {
    const { mapper, domain, warn } = this.#terms;
    this.#mapped.clear();
    for (let pirq = this.#pirqs[0]; pirq !== undefined; pirq = this.#pirqs[0]) {
      try {
        mapper.unmap(domain, pirq);
      } catch (error) {
        if (!(error instanceof HostError)) throw error;
        warn(`unmap PIRQ ${pirq}`, error.message);
      }
      this.#pirqs.shift();
      this.#entries.shift();
      this.#note(this.#on, { switchedOff: true });
    }
    this.#note(undefined);
  }

  #change(offset: number, clear: number, set: number): void {
    const { hardware } = this.#terms.operations;
    const word = hardware.readConfig(offset, 2);
    hardware.writeConfig(offset, 2, (word & ~clear) | set);
  }
}

/** The checks of a request's entry list: each index inside of the table, none twice. */
const checkEntries = (
  request: Request,
  count: number,
  tableSize: number,
): { readonly errno: number; readonly why: string } | undefined => {
  if (count < 1) return { errno: Errno.EINVAL, why: 'no entry was asked for' };
  if (count > tableSize) return { errno: Errno.ENOSPC, why: `${count} entries of a table of ${tableSize}` };
  for (let i = 0; i < count; i++) {
    const entry = request.entry(i);
    if (entry >= tableSize) return { errno: Errno.EINVAL, why: `entry ${entry} of a table of ${tableSize}` };
    for (let j = 0; j < i; j++) {
      if (request.entry(j) === entry) return { errno: Errno.EINVAL, why: `entry ${entry} twice` };
    }
  }
  return undefined;
};
