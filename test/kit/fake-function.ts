// SPDX-License-Identifier: MIT

import { bdf } from '../../core/bdf.ts';
import type { InterruptType, IntxAnswer, IntxState } from '../../core/interrupts.ts';
import type { PciFunction, PciIdentity, PciResource, ResetOutcome } from '../../core/platform/pci.ts';
import type { DeviceOperations, PowerState } from '../../core/space/behaviour.ts';
import { type CapabilityLists, capabilityLists } from '../../core/space/capabilities.ts';

/** One access to the fake's config space. */
export interface ConfigAccess {
  readonly kind: 'read' | 'write';
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  /** Read or written, `size` bytes, unsigned. */
  readonly value: number;
}

/** A value of `size` bytes at a byte offset. */
export type ImagePart = readonly [offset: number, size: 1 | 2 | 4, value: number];

export interface FakeFunctionSettings {
  readonly identity?: Partial<PciIdentity>;
  /** First content; all other bytes are zero. */
  readonly image?: readonly ImagePart[];
  /** Bits that ignore writes. */
  readonly readOnly?: readonly ImagePart[];
  /** Bits that a written one clears. */
  readonly clearedByOne?: readonly ImagePart[];
  readonly resources?: readonly PciResource[];
  readonly line?: number;
}

/**
 * A PCI function that is a config image and a record of every access: no rule of its own but bits that ignore writes
 * and bits that a one clears. For tests of one register; devices that behave are the platform embedded's.
 */
export class FakeFunction implements PciFunction {
  readonly identity: PciIdentity;
  readonly resources: readonly PciResource[];
  readonly line: number;
  readonly image = new Uint8Array(4096);
  readonly readOnly = new Uint8Array(4096);
  readonly clearedByOne = new Uint8Array(4096);
  /** Every access since the last {@link forget}. */
  log: ConfigAccess[] = [];
  /** Makes an access fail by throwing. */
  beforeAccess: ((kind: 'read' | 'write', offset: number, size: number) => void) | undefined;

  constructor(settings: FakeFunctionSettings = {}) {
    this.identity = {
      bdf: bdf(0, 3, 0),
      vendor: 0x8086,
      device: 0x10d3,
      subsystemVendor: 0x8086,
      subsystemDevice: 0xa01f,
      class: 0x020000,
      revision: 0,
      headerType: 0,
      configSize: 4096,
      virtualFunction: false,
      ...settings.identity,
    };
    this.resources = settings.resources ?? [];
    this.line = settings.line ?? 0;
    for (const [offset, size, value] of settings.image ?? []) this.put(offset, size, value);
    for (const [offset, size, value] of settings.readOnly ?? []) store(this.readOnly, offset, size, value);
    for (const [offset, size, value] of settings.clearedByOne ?? []) store(this.clearedByOne, offset, size, value);
  }

  readConfig(offset: number, size: 1 | 2 | 4): number {
    this.#check(offset, size);
    this.beforeAccess?.('read', offset, size);
    const value = this.get(offset, size);
    this.log.push({ kind: 'read', offset, size, value });
    return value;
  }

  writeConfig(offset: number, size: 1 | 2 | 4, value: number): void {
    this.#check(offset, size);
    if (!(value >= 0 && value < 2 ** (8 * size) && Number.isInteger(value))) {
      throw new RangeError(`${value} is not an unsigned value of ${size} bytes`);
    }
    this.beforeAccess?.('write', offset, size);
    this.log.push({ kind: 'write', offset, size, value });
    for (let i = 0; i < size; i++) {
      const at = offset + i;
      const written = (value >>> (8 * i)) & 0xff;
      const old = this.image[at] as number;
      const ones = this.clearedByOne[at] as number;
      const fixed = (this.readOnly[at] as number) | ones;
      this.image[at] = ((old & fixed) | (written & ~fixed)) & ~(written & ones);
    }
  }

  reset(): Promise<ResetOutcome> {
    return Promise.resolve({ ok: true, method: 'fake' });
  }

  /** Reads the image without an access. */
  get(offset: number, size: 1 | 2 | 4): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = ((value << 8) | (this.image[offset + i] as number)) >>> 0;
    return value;
  }

  /** Changes the image without an access, as a device that acts by itself does. */
  put(offset: number, size: 1 | 2 | 4, value: number): void {
    store(this.image, offset, size, value);
  }

  /** The writes of the log, as `[offset, size, value]`. */
  get writes(): ImagePart[] {
    return this.log.filter(({ kind }) => kind === 'write').map(({ offset, size, value }) => [offset, size, value]);
  }

  forget(): void {
    this.log = [];
  }

  #check(offset: number, size: number): void {
    const fits = offset >= 0 && offset + size <= this.identity.configSize && offset % size === 0;
    if (!fits) throw new RangeError(`access of ${size} bytes at ${offset} is not one that a caller may make`);
  }
}

const store = (bytes: Uint8Array, offset: number, size: number, value: number): void => {
  for (let i = 0; i < size; i++) bytes[offset + i] = (value >>> (8 * i)) & 0xff;
};

const COMMAND = 0x04;
const MASTER = 0x0004;
const INVALIDATE = 0x0010;
const INTX_DISABLE = 0x0400;

/** Host operations on a {@link FakeFunction}: the least that the interface promises, and a record of the calls. */
export class FakeDevice implements DeviceOperations {
  readonly hardware: FakeFunction;
  enabled = false;
  permissive = false;
  allowInterruptControl = false;
  interruptType: InterruptType = 'none';
  /** Names and arguments of the operations, in order: `enable`, `setBusMaster on`. */
  calls: string[] = [];
  /** Thrown by `enable`. */
  enableError: Error | undefined;
  invalidateWorks = true;
  /** What `resetFunction` answers. */
  resetStatus = 0;
  /** What `setPowerState` answers. */
  powerStatus = 0;
  powerState: PowerState = 0;
  /** Whether {@link controlWordAnswer} is known to be no, whatever is asked. */
  refusesControlWords = false;
  controlWordAnswer: (kind: 'msi' | 'msix', old: number, next: number) => boolean = () => false;
  /** Whether {@link intxAnswer} is known to be `virtual`, whatever is asked. */
  keepsIntxVirtual = false;
  intxAnswer: (old: IntxState, next: IntxState) => IntxAnswer = () =>
    this.allowInterruptControl ? 'hardware' : 'virtual';

  constructor(hardware: FakeFunction) {
    this.hardware = hardware;
  }

  get lists(): CapabilityLists {
    return capabilityLists(this.hardware);
  }

  /** As the register says, whoever wrote it. */
  get busMaster(): boolean {
    return (this.hardware.get(COMMAND, 2) & MASTER) !== 0;
  }

  enable(): void {
    this.calls.push('enable');
    if (this.enableError !== undefined) throw this.enableError;
    this.enabled = true;
    this.#change(0x0003, 0x0003);
    this.#change(INTX_DISABLE, 0);
  }

  disable(): void {
    this.calls.push('disable');
    this.enabled = false;
    this.#change(MASTER, 0);
  }

  setBusMaster(state: 'on' | 'off'): void {
    this.calls.push(`setBusMaster ${state}`);
    this.#change(MASTER, state === 'on' ? MASTER : 0);
  }

  setInvalidate(state: 'on' | 'off'): boolean {
    this.calls.push(`setInvalidate ${state}`);
    if (state === 'on' && !this.invalidateWorks) return false;
    this.#change(INVALIDATE, state === 'on' ? INVALIDATE : 0);
    return true;
  }

  whenAwake(again: () => number): number {
    this.calls.push('whenAwake');
    this.powerState = 0;
    return again();
  }

  setPowerState(state: PowerState): number {
    this.calls.push(`setPowerState ${state}`);
    return this.powerStatus;
  }

  resetFunction(): number {
    this.calls.push('resetFunction');
    return this.resetStatus;
  }

  allowsControlWord(kind: 'msi' | 'msix', old: number, next: number): boolean {
    this.calls.push(`allowsControlWord ${kind} ${old.toString(16)} ${next.toString(16)}`);
    return this.controlWordAnswer(kind, old, next);
  }

  decidesIntx(old: IntxState, next: IntxState): IntxAnswer {
    return this.intxAnswer(old, next);
  }

  setIntxDisabled(state: 'on' | 'off'): void {
    this.calls.push(`setIntxDisabled ${state}`);
    this.#change(INTX_DISABLE, state === 'on' ? INTX_DISABLE : 0);
  }

  #change(mask: number, bits: number): void {
    this.hardware.put(COMMAND, 2, (this.hardware.get(COMMAND, 2) & ~mask) | bits);
  }
}
