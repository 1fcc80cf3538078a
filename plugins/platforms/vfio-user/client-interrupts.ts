// SPDX-License-Identifier: MIT

import type { DeviceInterrupts } from '../../../core/interrupts.ts';
import { MAX_VECTORS, OP_START, Page, Status } from '../../../core/ring/layout.ts';
import { Request } from '../../../core/ring/request.ts';
import { Interrupt, Refusal, SET_ACTION, SET_DATA, SetFlag } from './messages.ts';

/** What the interrupts of one client are made with. */
export interface InterruptTerms {
  /** How many vectors each index has, by {@link Interrupt}. */
  readonly limits: readonly number[];
  /** What asks the guest's policy and switches the device: the same as for a guest of Xen. */
  readonly device: Pick<DeviceInterrupts, 'enableMsi' | 'disableMsi' | 'enableMsix' | 'disableMsix'>;
  /** Whether a descriptor is one that an interrupt can be raised with. */
  readonly isEventfd: (fd: number) => boolean;
  /** Raises it; `false`: its client does not take it. Never waits. */
  readonly signal: (fd: number) => boolean;
  readonly close: (fd: number) => void;
}

/** What became of an interrupt that the device raised. */
export type Raised = 'raised' | 'not wanted' | 'masked' | 'no such vector' | 'not taken';

const ENTRY_BYTES = 4;

const isOne = (bits: number): boolean => bits !== 0 && (bits & (bits - 1)) === 0;

/** Where interrupts of one client's device go: a descriptor for each vector that it asked for. */
export class ClientInterrupts {
  readonly #terms: InterruptTerms;
  /** Descriptors by vector, of each index. */
  readonly #triggers: readonly Map<number, number>[];
  readonly #request = new Request();
  /** INTx was raised and not unmasked since, or the client masked it. */
  #lineMasked = false;
  #msiOn = false;
  /** Vectors that MSI-X was switched on with; empty: it is off. */
  #msixOn: readonly number[] = [];

  constructor(terms: InterruptTerms) {
    this.#terms = terms;
    this.#triggers = terms.limits.map(() => new Map());
  }

  /** Vectors with a descriptor, of an index. */
  wanted(index: number): number {
    return this.#triggers[index]?.size ?? 0;
  }

  /** Descriptors that are kept. */
  get descriptors(): number {
    return this.#triggers.reduce((sum, one) => sum + one.size, 0);
  }

  /**
   * Command 8.
   *
   * @param data what follows `count`
   * @param fds that came with the message; closed here, or kept until they are replaced
   * @returns 0, or the error number that the client is answered; nothing has changed then
   */
  set(flags: number, index: number, start: number, count: number, data: Uint8Array, fds: number[]): number {
    const { limits, close } = this.#terms;
    const refuse = (errno: number): number => {
      for (const fd of fds) close(fd);
      return errno;
    };
    const [form, action] = [flags & SET_DATA, flags & SET_ACTION];
    const limit = limits[index];
    if (limit === undefined || !isOne(form) || !isOne(action) || flags !== (form | action))
      return refuse(Refusal.invalid);
    if (start > limit || count > limit - start) return refuse(Refusal.invalid);
    if (form === SetFlag.eventfd) {
      // A line that is unmasked through a descriptor would have to be listened to: a client can say it by message.
      if (action !== SetFlag.trigger) return refuse(Refusal.notSupported);
      if (fds.length !== 0 && fds.length !== count) return refuse(Refusal.invalid);
      if (!fds.every((fd) => this.#terms.isEventfd(fd))) return refuse(Refusal.invalid);
      return this.#setTriggers(index, start, count, fds);
    }
    if (fds.length > 0) return refuse(Refusal.invalid);
    if (form === SetFlag.bool && data.length !== count) return refuse(Refusal.invalid);
    if (form === SetFlag.none && action === SetFlag.trigger && count === 0) return this.#switchOff(index);
    if (action !== SetFlag.trigger && index !== Interrupt.intx) return refuse(Refusal.invalid);
    for (let i = 0; i < count; i++) {
      if (form === SetFlag.bool && data[i] === 0) continue;
      if (action === SetFlag.trigger) this.raise(index, start + i);
      else this.#lineMasked = action === SetFlag.mask;
    }
    return 0;
  }

  #setTriggers(index: number, start: number, count: number, fds: number[]): number {
    const triggers = this.#triggers[index] as Map<number, number>;
    const next = new Map(triggers);
    for (let i = 0; i < count; i++) {
      const fd = fds[i];
      if (fd === undefined) next.delete(start + i);
      else next.set(start + i, fd);
    }
    const errno = this.#follow(index, [...next.keys()]);
    if (errno !== 0) {
      for (const fd of fds) this.#terms.close(fd);
      return errno;
    }
    for (const [vector, fd] of triggers) if (next.get(vector) !== fd) this.#terms.close(fd);
    triggers.clear();
    for (const [vector, fd] of next) triggers.set(vector, fd);
    if (index === Interrupt.intx) this.#lineMasked = false;
    return 0;
  }

  #switchOff(index: number): number {
    const triggers = this.#triggers[index] as Map<number, number>;
    const errno = this.#follow(index, []);
    for (const fd of triggers.values()) this.#terms.close(fd);
    triggers.clear();
    return errno;
  }

  /** Switches MSI or MSI-X of the device as the vectors ask for it. @returns 0, or an error number */
  #follow(index: number, vectors: readonly number[]): number {
    if (index === Interrupt.msi) return this.#followMsi(vectors.length > 0);
    if (index === Interrupt.msix) return this.#followMsix(vectors);
    return 0;
  }

  #followMsi(on: boolean): number {
    if (on === this.#msiOn) return 0;
    const { device } = this.#terms;
    const status = on ? device.enableMsi(this.#asked([])) : device.disableMsi(this.#asked([]));
    if (status === Status.success) this.#msiOn = on;
    return status === Status.success ? 0 : Refusal.noAccess;
  }

  #followMsix(vectors: readonly number[]): number {
    const before = this.#msixOn;
    if (vectors.length === before.length && vectors.every((one) => before.includes(one))) return 0;
    if (vectors.length > MAX_VECTORS) return Refusal.noSpace;
    const { device } = this.#terms;
    if (before.length > 0) device.disableMsix(this.#asked([]));
    this.#msixOn = [];
    if (vectors.length === 0) return 0;
    const status = device.enableMsix(this.#asked(vectors));
    if (status === Status.success) {
      this.#msixOn = [...vectors];
      return 0;
    }
    // As it was before.
    if (before.length > 0 && device.enableMsix(this.#asked(before)) === Status.success) this.#msixOn = before;
    return -status;
  }

  /** A request as a guest's front end would make it; the driver of interrupts knows no other form. */
  #asked(vectors: readonly number[]): Request {
    const request = this.#request;
    request.bytes.fill(0);
    request.value = vectors.length;
    const entries = new DataView(request.bytes.buffer);
    for (const [i, vector] of vectors.entries()) {
      entries.setUint16(Page.msixEntries - OP_START + ENTRY_BYTES * i + 2, vector, true);
    }
    request.sealed();
    return request;
  }

  /** The device raises an interrupt. */
  raise(index: number, vector: number): Raised {
    if (vector >= (this.#terms.limits[index] ?? 0)) return 'no such vector';
    const fd = this.#triggers[index]?.get(vector);
    if (fd === undefined) return 'not wanted';
    if (index === Interrupt.intx) {
      if (this.#lineMasked) return 'masked';
      this.#lineMasked = true;
    }
    return this.#terms.signal(fd) ? 'raised' : 'not taken';
  }

  /** The client is gone. The device's own interrupts are switched off with its assignment. */
  end(): void {
    for (const triggers of this.#triggers) {
      for (const fd of triggers.values()) this.#terms.close(fd);
      triggers.clear();
    }
  }
}
