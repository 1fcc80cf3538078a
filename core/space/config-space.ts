// SPDX-License-Identifier: MIT

import type { PciFunction } from '../platform/pci.ts';
import { Status } from '../ring/layout.ts';
import { type CompiledSpace, carryState, type PlacedClaim, stateOfTable } from './compile.ts';
import type { PlacedDescription } from './described-writes.ts';
import { Interpreter, reachOf } from './interpreter.ts';
import { Outcome } from './outcome.ts';
import type { PlacedRegister, RegisterDenials } from './placed-register.ts';
import type { AccessRecorder, RecordedAccess } from './recorder.ts';
import { CurrentRefusal, type Refusal, type RefusedWrite } from './refusal.ts';
import type { DeviceView } from './views.ts';

type Size = 1 | 2 | 4;

/** Told about what did not go as the guest asked; must not allocate for a refusal it has seen before. */
export interface AccessSink {
  /** The host refused an access, or a behaviour failed; the guest was answered op_failed. */
  failed(offset: number, error: unknown): void;
  denied(refusal: Refusal): void;
}

/** How often each byte of config space was touched; stays at the highest number. */
export interface AccessCounts {
  readonly reads: Uint32Array;
  readonly writes: Uint32Array;
  /** Writes of which at least one bit of the byte was refused. */
  readonly denied: Uint32Array;
}

const MOST = 0xffffffff;
const NONE: readonly PlacedRegister[] = [];

/**
 * A guest's view of one device's config space: the interpreter of its table, and the behaviours that the table names.
 *
 * `read` and `write` are the hot path: no allocation, no hook, no search. Results are left in `bits`.
 */
export class ConfigSpace {
  readonly counts: AccessCounts;
  readonly #hardware: PciFunction;
  readonly #sink: AccessSink;
  #table: CompiledSpace;
  #plain: Interpreter;
  #recorder: AccessRecorder | undefined;
  readonly #recorded = {
    kind: 'read' as RecordedAccess['kind'],
    offset: 0,
    size: 4 as Size,
    value: 0,
    status: 0,
    denied: 0,
    wanted: 0,
  };
  readonly #refusal = new CurrentRefusal((offset, mask) => this.claimsOf(offset, mask));
  /** Bits that were refused during the write that runs now. */
  #refused = 0;
  readonly #denials: RegisterDenials = { denied: (register, mask, why) => this.#deniedBy(register, mask, why) };

  constructor(hardware: PciFunction, table: CompiledSpace, sink: AccessSink) {
    const { configSize } = hardware.identity;
    const shared = () => new Uint32Array(new SharedArrayBuffer(4 * configSize));
    this.counts = { reads: shared(), writes: shared(), denied: new Uint32Array(configSize) };
    this.#hardware = hardware;
    this.#sink = sink;
    this.#table = table;
    this.#plain = this.#interpreterOf(table);
  }

  #interpreterOf({ bits }: CompiledSpace): Interpreter {
    const { reads, writes } = this.counts;
    return new Interpreter({ ...bits, reads, writes }, this.#hardware, this.#refusal);
  }

  /** Result of the last successful read as a signed 32-bit pattern, `size` bytes from bit 0; 0 after a failure. */
  get bits(): number {
    return this.#plain.bits;
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
    carryState(stateOfTable(this.#table), table);
    this.#table = table;
    this.#plain = this.#interpreterOf(table);
    this.refresh();
  }

  /** Has every access taken down from now on; `undefined`: no more. */
  record(recorder: AccessRecorder | undefined): void {
    this.#recorder = recorder;
  }

  /**
   * Reads as the guest does.
   *
   * @param offset signed, as the guest sent it
   * @param size as the guest sent it
   * @returns a protocol status
   */
  read(offset: number, size: number): Outcome {
    if (this.#recorder === undefined && this.#plain.readKept(offset, size)) return Status.success;
    return this.#readOn(offset, size);
  }

  #readOn(offset: number, size: number): Outcome {
    const plain = this.#plain;
    let status: Outcome;
    try {
      status = this.#recorder === undefined ? plain.readOpen(offset, size) : plain.read(offset, size);
      if (status === Outcome.needsCode) status = this.#readByCode(offset, size as Size);
    } catch (error) {
      // D-C16: the guest gets the error and zero, which the interpreter has left.
      plain.countRead(offset, size as Size);
      status = this.#failed(offset, error);
    }
    if (this.#recorder !== undefined && plain.accepts(offset, size)) this.#takeDown('read', offset, size, status);
    return status;
  }

  #readByCode(offset: number, size: Size): Outcome {
    const reach = reachOf(offset, size);
    const { bits, registers } = this.#table;
    const mine = registers[offset >> 2] ?? NONE;
    // What is steady comes from the shadow.
    const code = reach & ~(bits.shadowed[offset >> 2] as number);
    let view = this.#plain.viewPlain(offset, size);
    for (let i = 0; i < mine.length; i++) {
      const register = mine[i] as PlacedRegister;
      const mask = (register.mask << register.shift) & code;
      if (mask === 0 || register.behaviour.read === undefined) continue;
      view = (view & ~mask) | ((register.view() << register.shift) & mask);
    }
    this.#plain.bits = (view >>> ((offset & 3) << 3)) | 0;
    this.#plain.countRead(offset, size);
    return Status.success;
  }

  /**
   * Writes as the guest does: each bit goes where its owner says, whatever the width of the access.
   *
   * @param value as the guest sent it, signed or unsigned; bits above `size` are ignored
   * @returns a protocol status (the first error of several registers, D-C7), or `Outcome.later`
   */
  write(offset: number, size: number, value: number): Outcome {
    const plain = this.#plain;
    if (this.#recorder === undefined || !plain.accepts(offset, size)) return this.#write(offset, size, value);
    const recorded = this.#recorded;
    recorded.wanted = this.#wanted(offset, size, value) >>> 0;
    this.#refused = 0;
    const status = this.#write(offset, size, value);
    recorded.value = (value & reachOf(0, size)) >>> 0;
    recorded.denied = this.#refused >>> 0;
    this.#takeDown('write', offset, size, status);
    return status;
  }

  /**
   * As {@link write}, for one of which nobody knows whether it was done: where a one clears what hardware shows, it clears
   * nothing. The guest sees an error twice, which it may at any time, rather than one that rose since never.
   *
   * @returns `needsCode`: nothing was done, because nothing would be cleared, or code has a part in it
   */
  writeAgain(offset: number, size: number, value: number): Outcome {
    if (!this.#plain.accepts(offset, size)) return Outcome.needsCode;
    const reach = reachOf(offset, size);
    const claims = this.claimsOf(offset, reachOf(0, size));
    const clears =
      claims.reduce((bits, { policy, mask }) => (policy === 'clearedByOne' ? bits | mask : bits), 0) & reach;
    if (clears === 0 || ((this.#table.bits.coded[offset >> 2] as number) & reach) !== 0) return Outcome.needsCode;
    return this.write(offset, size, value & ~(clears >>> ((offset & 3) << 3)));
  }

  #takeDown(kind: 'read' | 'write', offset: number, size: Size, status: Outcome): void {
    const recorded = this.#recorded;
    recorded.kind = kind;
    recorded.offset = offset;
    recorded.size = size;
    recorded.status = status;
    if (kind === 'read') {
      recorded.value = this.value;
      recorded.denied = 0;
      recorded.wanted = 0;
    }
    this.#recorder?.access(recorded);
  }

  /** Bits of a write that would change what the guest sees and that no field claims, counted from bit 0 of the access. */
  #wanted(offset: number, size: Size, value: number): number {
    const shift = (offset & 3) << 3;
    const free = reachOf(offset, size) & ~(this.#table.claimed[offset >> 2] as number);
    if (free === 0) return 0;
    try {
      return (((value << shift) ^ this.#plain.view(offset, size, free)) & free) >>> shift;
    } catch {
      // The write itself will meet the same refusal, and report it.
      return 0;
    }
  }

  #write(offset: number, size: number, value: number): Outcome {
    const plain = this.#plain;
    try {
      const status = plain.write(offset, size, value);
      const rest = status === Outcome.needsCode ? (this.#table.registers[offset >> 2] ?? NONE) : undefined;
      if (rest !== undefined) plain.writePlain(offset, size as Size, value);
      if (plain.refused.mask !== 0) this.#deniedByPolicy(undefined);
      return rest === undefined ? status : this.#writeByCode(rest, offset, size as Size, value);
    } catch (error) {
      plain.countWrite(offset, size as Size);
      this.refresh(offset >> 2);
      return this.#failed(offset, error);
    }
  }

  #writeByCode(registers: readonly PlacedRegister[], offset: number, size: Size, value: number): Outcome {
    const reach = reachOf(offset, size);
    const written = (value << ((offset & 3) << 3)) & reach;
    const refusal = this.#refusal;
    refusal.offset = offset;
    refusal.size = size;
    refusal.value = (value & reachOf(0, size)) | 0;
    let status: Outcome = Status.success;
    try {
      for (let i = 0; i < registers.length; i++) {
        const register = registers[i] as PlacedRegister;
        const { mask, shift } = register;
        const whole = register.reach;
        if (((mask << shift) & reach) === 0) continue;
        // What a narrow access leaves out stays as the register shows it.
        const kept = (reach & whole) === whole ? 0 : (register.view() << shift) & whole & ~reach;
        const wanted = ((written & whole) | kept) >>> shift;
        let outcome = register.take(wanted, this.#denials);
        if (outcome === Outcome.asleep) outcome = register.device.whenAwake(() => this.#again(register, wanted));
        // The first error is the answer (D-C7); a device that has to settle is waited for unless there is one.
        if (status === Status.success || (status === Outcome.later && outcome !== Status.success)) status = outcome;
      }
    } catch (error) {
      status = this.#failed(offset, error);
    } finally {
      this.refresh(offset >> 2);
    }
    return status;
  }

  #again(register: PlacedRegister, wanted: number): Outcome {
    try {
      const outcome = register.take(wanted, this.#denials);
      return outcome === Outcome.asleep ? Status.opFailed : outcome;
    } catch (error) {
      return this.#failed(register.offset, error);
    }
  }

  #failed(offset: number, error: unknown): Outcome {
    this.#sink.failed(offset, error);
    return Status.opFailed;
  }

  /**
   * Reads steady registers again: those of one dword after a write to it, all after the device was changed otherwise.
   *
   * @param at index of the dword; missing: all
   */
  refresh(at?: number): void {
    const { steady, bits } = this.#table;
    const { shadow, shadowed } = bits;
    for (let i = 0; i < steady.length; i++) {
      const one = steady[i] as PlacedRegister;
      const place = one.offset >> 2;
      if (at !== undefined && place !== at) continue;
      const mask = one.mask << one.shift;
      try {
        shadow[place] = ((shadow[place] as number) & ~mask) | ((one.view() << one.shift) & mask);
      } catch (error) {
        // From now on it is read each time, so that the guest gets the error as long as there is one.
        shadowed[place] = (shadowed[place] as number) & ~mask;
        this.#sink.failed(one.offset, error);
      }
    }
  }

  /**
   * What another thread needs to answer reads and writes, as things are now; `null` while every access is taken down.
   * Never throws: a device is also taken from that thread by a new view.
   */
  get deviceView(): DeviceView | null {
    if (this.#recorder !== undefined) return null;
    const { bits, words, described, kept } = this.#table;
    const { configFile = -1, configPage } = this.#hardware;
    const { reads, writes } = this.counts;
    return {
      ...bits,
      words,
      described: described.map((one) => (one === null ? null : this.#describe(one))),
      reads,
      writes,
      file: configFile,
      ...(configPage === undefined ? {} : { page: configPage }),
      ...(kept.reference === undefined ? {} : { kept: kept.reference }),
    };
  }

  #describe(register: PlacedRegister): PlacedDescription | null {
    try {
      return register.describe();
    } catch (error) {
      this.#sink.failed(register.offset, error);
      return null;
    }
  }

  /** A behaviour refuses bits of its register during the write that runs now. */
  #deniedBy(register: PlacedRegister, mask: number, why: string): void {
    const refusal = this.#refusal;
    const up = (register.offset - refusal.offset) << 3;
    refusal.mask = (up >= 0 ? mask << up : mask >>> -up) & reachOf(0, refusal.size);
    refusal.times = 1;
    refusal.register = register;
    refusal.why = why;
    this.#tell();
  }

  /** The policy of the bits refuses them; with `by` a register whose writes are described as refused. */
  #deniedByPolicy(by: PlacedRegister | undefined): void {
    const { claimed, readOnly } = this.#table;
    const refusal = this.#refusal;
    const at = refusal.offset >> 2;
    const bits = refusal.mask << ((refusal.offset & 3) << 3);
    refusal.register = by;
    if (by?.behaviour.described?.kind === 'refused') refusal.why = by.behaviour.described.why;
    else if (((claimed[at] as number) & bits) === 0) refusal.why = 'no field claims these bits';
    else refusal.why = ((readOnly[at] as number) & bits) !== 0 ? 'read-only' : 'fixed';
    this.#tell();
  }

  #tell(): void {
    const refusal = this.#refusal;
    const { offset, size, mask, times } = refusal;
    // What a narrow access leaves out was not asked for.
    if (mask === 0) return;
    this.#refused |= mask;
    const { denied } = this.counts;
    for (let byte = 0; byte < size; byte++) {
      if (((mask >>> (byte << 3)) & 0xff) === 0) continue;
      denied[offset + byte] = Math.min(MOST, (denied[offset + byte] as number) + times);
    }
    this.#sink.denied(refusal);
  }

  /** Another thread refused bits of a write: for one reason only, or it would have been left to this thread. */
  refusedElsewhere(write: RefusedWrite): void {
    const bits = write.mask << ((write.offset & 3) << 3);
    const mine = this.#table.registers[write.offset >> 2];
    const by = mine?.find(
      ({ behaviour, mask, shift }) => behaviour.described?.kind === 'refused' && ((mask << shift) & bits) !== 0,
    );
    const { offset, size, value, mask: refused, times } = write;
    Object.assign(this.#refusal, { offset, size, value, mask: refused, times });
    this.#deniedByPolicy(by);
  }

  /** Closes the gates that another thread has left to be closed. @returns whether there was one */
  closeGates(): boolean {
    const closing = this.#table.gates.filter((one) => one.isClosing);
    for (const one of closing) {
      try {
        one.close();
      } catch (error) {
        // As for a guest's write, but its answer is out already; nobody who comes by for this can do anything about it.
        this.#sink.failed(one.offset, error);
      }
      this.refresh(one.offset >> 2);
    }
    return closing.length > 0;
  }

  /** Who owns the bits of an access, for explanations; an empty list: no field. */
  claimsOf(offset: number, mask: number): PlacedClaim[] {
    const dword = offset & ~3;
    const bits = (mask << ((offset & 3) << 3)) >>> 0;
    return this.#table.claims.filter((claim) => claim.dword === dword && (claim.mask & bits) !== 0);
  }
}
