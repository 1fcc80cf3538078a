// SPDX-License-Identifier: MIT

import type { PciFunction } from '../platform/pci.ts';
import { Status } from '../ring/layout.ts';
import { PENDING } from './behaviour.ts';
import { type CompiledSpace, carryState, claimedBits, type PlacedClaim } from './compile.ts';
import { refuserOf, viewOf } from './elsewhere.ts';
import type { AccessRecorder } from './recorder.ts';
import type { DeviceView } from './views.ts';

/** Told about what did not go as the guest asked; must not allocate for a refusal it has seen before. */
export interface AccessSink {
  /** The host refused an access, or a behaviour threw; the guest was answered op_failed. */
  failed(offset: number, error: unknown): void;
  /**
   * Bit patterns are signed 32-bit numbers: an unsigned one above 0x7fffffff would be an object on the heap.
   *
   * @param offset of the access
   * @param value bit pattern as written, `size` bytes
   * @param mask bit pattern of the refused bits of `value`
   * @param why a constant text for a behaviour's rule; `undefined`: the policy of the bits tells
   * @param owner of a behaviour; `undefined`: ask the table
   * @param times how often the same was refused
   */
  denied(
    offset: number,
    size: number,
    value: number,
    mask: number,
    why: string | undefined,
    owner: string | undefined,
    times: number,
  ): void;
}

/** How often each byte of config space was touched; stays at the highest number. */
export interface AccessCounts {
  readonly reads: Uint32Array;
  readonly writes: Uint32Array;
  /** Writes of which at least one bit of the byte was refused. */
  readonly denied: Uint32Array;
}

const MOST = 0xffffffff;

const countBytes = (counts: Uint32Array, offset: number, size: number): void => {
  for (let at = offset; at < offset + size; at++) {
    const count = counts[at] as number;
    if (count !== MOST) counts[at] = count + 1;
  }
};

const sizeMask = (size: number): number => (size === 4 ? -1 : size === 2 ? 0xffff : 0xff);

/**
 * A guest's view of one device's config space.
 *
 * `read` and `write` are the hot path: no allocation, no hook, no search. Results are left in `bits`.
 */
export class ConfigSpace {
  /** Result of the last successful read as a signed 32-bit pattern, `size` bytes from bit 0; 0 after a failure. */
  bits = 0;
  readonly counts: AccessCounts;
  readonly #hardware: PciFunction;
  readonly #sink: AccessSink;
  #table: CompiledSpace;
  #recorder: AccessRecorder | undefined;
  /** Bits that some field claims, per dword; only kept while accesses are taken down. */
  #claimed: Int32Array | undefined;
  /** Bits that were refused during the write that runs now. */
  #refused = 0;
  #offset = 0;
  #size: 1 | 2 | 4 = 4;
  /** Bit pattern of the write that runs now. */
  #written = 0;

  constructor(hardware: PciFunction, table: CompiledSpace, sink: AccessSink) {
    const { configSize } = hardware.identity;
    const shared = () => new Uint32Array(new SharedArrayBuffer(4 * configSize));
    this.counts = { reads: shared(), writes: shared(), denied: new Uint32Array(configSize) };
    this.#hardware = hardware;
    this.#table = table;
    this.#sink = sink;
  }

  /** {@link bits}, unsigned. */
  get value(): number {
    return this.bits >>> 0;
  }

  get table(): CompiledSpace {
    return this.#table;
  }

  /** Replaces the table between two requests. */
  swap(table: CompiledSpace): void {
    // The guest may have written since the new table was compiled.
    carryState(this.#table, table);
    this.#table = table;
    this.refresh();
    if (this.#recorder !== undefined) this.#claimed = claimedBits(table.size, table.claims);
  }

  /** Has every access taken down from now on; `undefined`: no more. */
  record(recorder: AccessRecorder | undefined): void {
    this.#recorder = recorder;
    this.#claimed = recorder === undefined ? undefined : claimedBits(this.#table.size, this.#table.claims);
  }

  /** Whether the guest's numbers name an access inside of this config space (S-1). */
  #accepts(offset: number, size: number): size is 1 | 2 | 4 {
    return (
      (size === 1 || size === 2 || size === 4) &&
      offset >= 0 &&
      offset + size <= this.#table.size &&
      (offset & (size - 1)) === 0
    );
  }

  /**
   * Reads as the guest does.
   *
   * @param offset signed, as the guest sent it
   * @param size as the guest sent it
   * @returns a protocol status
   */
  read(offset: number, size: number): number {
    this.bits = 0;
    if (!this.#accepts(offset, size)) return Status.invalidOffset;
    countBytes(this.counts.reads, offset, size);
    const at = offset >> 2;
    const shift = (offset & 3) << 3;
    const lane = sizeMask(size) << shift;
    const table = this.#table;
    // What the table answers alone can neither fail nor be waited for; it is what drivers read most.
    if (((table.shadowed[at] as number) & lane) === lane) {
      this.bits = (((table.shadow[at] as number) & lane) >>> shift) | 0;
      if (this.#recorder === undefined) return Status.success;
    }
    return this.#readAll(at, offset, size, shift, lane);
  }

  #readAll(at: number, offset: number, size: 1 | 2 | 4, shift: number, lane: number): number {
    let status: number = Status.success;
    try {
      this.bits = ((this.#view(at, offset, size, shift, lane) & lane) >>> shift) | 0;
    } catch (error) {
      // D-C16: the guest gets the error and zero.
      this.#sink.failed(offset, error);
      status = Status.opFailed;
    }
    this.#recorder?.access('read', offset, size, this.value, status, 0, 0);
    return status;
  }

  /** The bits of `lane` as the guest sees them, in their place in the dword. */
  #view(at: number, offset: number, size: 1 | 2 | 4, shift: number, lane: number): number {
    const table = this.#table;
    const shadowed = (table.shadowed[at] as number) & lane;
    const answered = (table.answered[at] as number) & lane;
    let view = answered === lane ? 0 : this.#hardware.readConfig(offset, size) << shift;
    view = (view & ~shadowed) | ((table.shadow[at] as number) & shadowed);
    const registers = table.registers[at];
    if (registers !== undefined) {
      for (let i = 0; i < registers.length; i++) {
        const register = registers[i] as NonNullable<(typeof registers)[0]>;
        const mask = (register.mask << register.shift) & lane;
        // What is steady came from the shadow.
        if (mask === 0 || register.behaviour.read === undefined || (shadowed & mask) === mask) continue;
        view = (view & ~mask) | ((register.behaviour.read(register) << register.shift) & mask);
      }
    }
    return view;
  }

  /**
   * Writes as the guest does: each bit goes where its owner says, whatever the width of the access. Bytes in which no
   * bit is writable are never written (XSA-128).
   *
   * @param value as the guest sent it, signed or unsigned; bits above `size` are ignored
   * @returns a protocol status (the first error of several registers, D-C7), or `PENDING`
   */
  write(offset: number, size: number, value: number): number {
    if (!this.#accepts(offset, size)) return Status.invalidOffset;
    countBytes(this.counts.writes, offset, size);
    if (this.#recorder === undefined) return this.#write(offset, size, value);
    const wanted = this.#wanted(offset, size, value);
    this.#refused = 0;
    const status = this.#write(offset, size, value);
    this.#recorder.access('write', offset, size, this.#written >>> 0, status, this.#refused >>> 0, wanted);
    return status;
  }

  /** Bits of a write that would change what the guest sees and that no field claims, counted from bit 0 of the access. */
  #wanted(offset: number, size: 1 | 2 | 4, value: number): number {
    const at = offset >> 2;
    const shift = (offset & 3) << 3;
    const free = (sizeMask(size) << shift) & ~(this.#claimed?.[at] ?? 0);
    if (free === 0) return 0;
    try {
      return (((value << shift) ^ this.#view(at, offset, size, shift, free)) & free) >>> shift;
    } catch {
      // The write itself will meet the same refusal, and report it.
      return 0;
    }
  }

  #write(offset: number, size: 1 | 2 | 4, value: number): number {
    const table = this.#table;
    const at = offset >> 2;
    const shift = (offset & 3) << 3;
    const lane = sizeMask(size) << shift;
    const written = (value << shift) & lane;
    this.#offset = offset;
    this.#size = size;
    this.#written = (written >>> shift) & sizeMask(size);
    try {
      const ones = (table.ones[at] as number) & lane;
      const through = (table.writable[at] as number) & lane;
      const own = (table.own[at] as number) & lane;
      const coded = (table.coded[at] as number) & lane;
      const settled = through | ones | own | coded | ((table.reserved[at] as number) & lane);
      if (settled !== lane) {
        const refused = (written ^ this.#view(at, offset, size, shift, lane)) & lane & ~settled;
        if (refused !== 0) this.#deny((refused >>> shift) | 0, undefined, undefined);
      }
      if (own !== 0) table.shadow[at] = ((table.shadow[at] as number) & ~own) | (written & own);
      if ((through | ones) !== 0) this.#through(offset, size, shift, written, through, ones);
      return coded === 0 ? Status.success : this.#coded(at, lane, written);
    } catch (error) {
      this.#sink.failed(offset, error);
      return Status.opFailed;
    } finally {
      if (table.registers[at] !== undefined) this.refresh(at);
    }
  }

  /**
   * Reads steady registers again: those of one dword after a write to it, all after the device was changed otherwise.
   *
   * @param at index of the dword; missing: all
   */
  refresh(at?: number): void {
    const { steady, shadow, shadowed } = this.#table;
    for (let i = 0; i < steady.length; i++) {
      const one = steady[i] as (typeof steady)[0];
      const place = one.offset >> 2;
      if (at !== undefined && place !== at) continue;
      const bits = one.mask << one.shift;
      try {
        shadow[place] = ((shadow[place] as number) & ~bits) | ((one.view() << one.shift) & bits);
      } catch (error) {
        // From now on it is read each time, so that the guest gets the error as long as there is one.
        shadowed[place] = (shadowed[place] as number) & ~bits;
        this.#sink.failed(one.offset, error);
      }
    }
  }

  /** What another thread needs to answer reads and writes; `null` while every access is taken down. */
  get deviceView(): DeviceView | null {
    if (this.#recorder !== undefined) return null;
    return viewOf(this.#table, this.#hardware, this.counts, (offset, error) => this.#sink.failed(offset, error));
  }

  /** Passes writable bits on, in the largest accesses that touch only bytes with a writable bit. */
  #through(offset: number, size: 1 | 2 | 4, shift: number, written: number, through: number, ones: number): void {
    const lane = sizeMask(size) << shift;
    const passing = through | ones;
    if (size !== 1) {
      const half = (size >> 1) as 1 | 2;
      if (!eachByte(passing, offset & 3, size)) {
        this.#through(
          offset,
          half,
          shift,
          written,
          through & (sizeMask(half) << shift),
          ones & (sizeMask(half) << shift),
        );
        const upper = shift + (half << 3);
        const mask = sizeMask(half) << upper;
        this.#through(offset + half, half, upper, written, through & mask, ones & mask);
        return;
      }
    }
    if ((passing & lane) === 0) return;
    let value = written;
    if (through !== lane) {
      const old = this.#hardware.readConfig(offset, size) << shift;
      value = (old & ~passing) | (written & passing);
    }
    this.#hardware.writeConfig(offset, size, ((value & lane) >>> shift) >>> 0);
  }

  #coded(at: number, lane: number, written: number): number {
    const registers = this.#table.registers[at] ?? [];
    let status: number = Status.success;
    for (let i = 0; i < registers.length; i++) {
      const register = registers[i] as NonNullable<(typeof registers)[0]>;
      if (((register.mask << register.shift) & lane) === 0) continue;
      const reach = sizeMask(register.size) << register.shift;
      let whole = written & reach;
      if ((lane & reach) !== reach) whole |= (register.view() << register.shift) & reach & ~lane;
      const value = ((whole >>> register.shift) & sizeMask(register.size)) >>> 0;
      if (register.behaviour.write === undefined) {
        const refused = ((register.view() ^ value) & register.mask) >>> 0;
        if (refused !== 0) register.deny(refused, 'read-only');
        continue;
      }
      const result = register.behaviour.write(register, value);
      // The first error is the answer (D-C7); a device that has to settle is waited for unless there is one.
      if (status === Status.success || (status === PENDING && result !== Status.success)) status = result;
    }
    return status;
  }

  /** A behaviour refused bits of its register during the write that runs now. */
  refusedByBehaviour(registerOffset: number, mask: number, owner: string, why: string): void {
    const up = (registerOffset - this.#offset) << 3;
    const moved = up >= 0 ? mask << up : mask >>> -up;
    this.#deny(moved & sizeMask(this.#size), why, owner);
  }

  #deny(mask: number, why: string | undefined, owner: string | undefined): void {
    this.#refused |= mask;
    this.#tellRefused(this.#offset, this.#size, this.#written, mask, why, owner, 1);
  }

  #tellRefused(
    offset: number,
    size: number,
    value: number,
    mask: number,
    why: string | undefined,
    owner: string | undefined,
    times: number,
  ): void {
    const { denied } = this.counts;
    for (let byte = 0; byte < size; byte++) {
      if (((mask >>> (byte << 3)) & 0xff) === 0) continue;
      denied[offset + byte] = Math.min(MOST, (denied[offset + byte] as number) + times);
    }
    this.#sink.denied(offset, size, value, mask, why, owner, times);
  }

  /** Bits of a write were refused by another thread, as often as it says. */
  refusedElsewhere(offset: number, size: number, value: number, mask: number, times: number): void {
    const by = refuserOf(this.#table, offset, mask);
    this.#tellRefused(offset, size, value, mask, by?.why, by?.owner, times);
  }

  /** Closes the gates that another thread has left to be closed. @returns whether there was one */
  closeGates(): boolean {
    let some = false;
    for (const one of this.#table.gates) {
      const { quiet } = one.behaviour;
      if (quiet?.kind !== 'gated' || one.words[quiet.closing] === 0) continue;
      one.words[quiet.closing] = 0;
      some = true;
      try {
        one.behaviour.close?.(one);
      } catch (error) {
        // As for a guest's write, but its answer is out already; nobody who comes by for this can do anything about it.
        this.#sink.failed(one.offset, error);
      }
      this.refresh(one.offset >> 2);
    }
    return some;
  }

  /** Who owns the bits of an access, for explanations; an empty list: no field. */
  claimsOf(offset: number, mask: number): PlacedClaim[] {
    const dword = offset & ~3;
    const bits = (mask << ((offset & 3) << 3)) >>> 0;
    return this.#table.claims.filter((claim) => claim.dword === dword && (claim.mask & bits) !== 0);
  }
}

/** Whether each of the `size` bytes from byte `first` of the dword has a bit in `mask`. */
const eachByte = (mask: number, first: number, size: number): boolean => {
  for (let byte = first; byte < first + size; byte++) if (((mask >>> (byte << 3)) & 0xff) === 0) return false;
  return true;
};
