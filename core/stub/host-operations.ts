// SPDX-License-Identifier: MIT

import type {
  DeviceInterrupts,
  InterruptLimits,
  InterruptType,
  IntxAnswer,
  IntxState,
  MessageKind,
} from '../interrupts.ts';
import { type Clock, Errno, HostError, type PciFunction, ResourceFlag } from '../platform/index.ts';
import { Status } from '../ring/layout.ts';
import type { DeviceOperations, PowerState } from '../space/behaviour.ts';
import { CapabilityId, type CapabilityLists, capabilityLists, ListLayout } from '../space/capabilities.ts';
import { HOST_WORDS } from '../space/compile.ts';
import { Outcome } from '../space/outcome.ts';
import { CommandBit, Msi, Msix, Power, Register } from './registers.ts';

/** Dwords in a cache line of the host. */
const CACHE_LINE_DWORDS = 16;
/** Milliseconds a function needs after a change to or from D3hot, and to or from D2 (PCI PM 1.2, §5.6.1). */
const D3_DELAY = 10;
const D2_DELAY = 1;

/** Bits of the host's state word: on for the guest, kept from its line, and about to need its BARs again. */
const ENABLED = 1;
const INTX_HELD = 2;
const BARS_LOST = 4;

/** What the assignment of a device to a guest adds to the host's operations. */
export interface GuestTerms {
  readonly permissive: boolean;
  /** The administrator lets the guest, a device model, switch interrupts by config writes. */
  readonly allowed: boolean;
  readonly limits: InterruptLimits;
  readonly interrupts: DeviceInterrupts;
  /** Resets the function for its guest; the status to answer. Never rejects. */
  readonly reset: () => Promise<number>;
  /** Told when an operation that answered `Outcome.later` has ended. */
  readonly settled: (status: number) => void;
}

/**
 * The host's operations on one seized function, made of config accesses only, so that they are the same on every
 * platform. Capability offsets are recorded once at seizing: a device may change its list later, and is not believed.
 */
export class HostOperations implements DeviceOperations {
  readonly hardware: PciFunction;
  readonly lists: CapabilityLists;
  readonly msi: number | undefined;
  readonly msix: number | undefined;
  readonly power: number | undefined;
  /** State that is the guest's, in the memory of its table as soon as there is one. */
  words: Uint32Array = new Uint32Array(HOST_WORDS);
  readonly #clock: Clock;
  #terms: GuestTerms | undefined;
  #cancelTransition: (() => void) | undefined;

  /** @param lists as they were recorded; missing: as they are now */
  constructor(hardware: PciFunction, clock: Clock, lists = capabilityLists(hardware)) {
    this.hardware = hardware;
    this.#clock = clock;
    this.lists = lists;
    // A list that is not sound may name a place where the capability has no room: the device does without it then.
    const find = (id: number, bytes: number): number | undefined =>
      this.lists.standard.find((one) => one.id === id && one.offset + bytes <= ListLayout.extended)?.offset;
    this.msi = find(CapabilityId.msi, 10);
    this.msix = find(CapabilityId.msix, 12);
    this.power = find(CapabilityId.powerManagement, 8);
  }

  /** From now on the device works for a guest under these terms; `undefined`: for nobody. */
  serve(terms: GuestTerms | undefined): void {
    this.#terms = terms;
    this.words = new Uint32Array(HOST_WORDS);
    if (terms === undefined) {
      this.#cancelTransition?.();
      this.#cancelTransition = undefined;
    }
  }

  #is(bit: number): boolean {
    return ((this.words[0] as number) & bit) !== 0;
  }

  #set(bit: number, on: boolean): void {
    const word = this.words[0] as number;
    this.words[0] = on ? word | bit : word & ~bit;
  }

  get enabled(): boolean {
    return this.#is(ENABLED);
  }
  set enabled(on: boolean) {
    this.#set(ENABLED, on);
  }

  get #intxHeld(): boolean {
    return this.#is(INTX_HELD);
  }

  get permissive(): boolean {
    return this.#terms?.permissive ?? false;
  }

  get allowInterruptControl(): boolean {
    return this.#terms?.allowed ?? false;
  }

  /** Whether an operation is under way that has not told its end yet. */
  get busy(): boolean {
    return this.#cancelTransition !== undefined;
  }

  get #command(): number {
    return this.hardware.readConfig(Register.command, 2);
  }
  set #command(value: number) {
    this.hardware.writeConfig(Register.command, 2, value & 0xffff);
  }

  enable(): void {
    let command = this.#command;
    for (const [index, resource] of this.hardware.resources.entries()) {
      const rom = index === 6;
      // A disabled resource is shown to the guest as absent, so it does not keep the rest from working.
      if (resource.size === 0n || (resource.flags & ResourceFlag.disabled) !== 0) continue;
      if (rom && (resource.flags & 1) === 0) continue;
      if ((resource.flags & ResourceFlag.unassigned) !== 0) {
        throw new HostError(`enable: resource ${index} is not assigned`, Errno.EINVAL);
      }
      if ((resource.flags & ResourceFlag.io) !== 0) command |= CommandBit.io;
      if ((resource.flags & ResourceFlag.memory) !== 0) command |= CommandBit.memory;
    }
    const type = this.interruptType;
    const messages = type !== 'none' && type !== 'intx';
    if (this.#intxHeld && !(messages && this.#disableStopsMessages)) command |= CommandBit.intxDisable;
    else if (!messages && this.hardware.readConfig(Register.interruptPin, 1) !== 0) command &= ~CommandBit.intxDisable;
    this.#command = command;
    this.enabled = true;
  }

  disable(): void {
    this.setBusMaster('off');
    this.enabled = false;
  }

  get busMaster(): boolean {
    return (this.#command & CommandBit.master) !== 0;
  }

  setBusMaster(state: 'on' | 'off'): void {
    this.#setCommandBit(CommandBit.master, state);
  }

  setIntxDisabled(state: 'on' | 'off'): void {
    this.#setCommandBit(CommandBit.intxDisable, this.#intxHeld ? 'on' : state);
  }

  /** Whether the device is kept from its line interrupt, and obeys: before PCI 2.3 there was no INTX_DISABLE. */
  get intxHeld(): boolean {
    if (this.#terms?.limits.maskingBroken === true) return false;
    return this.#intxHeld && (this.#command & CommandBit.intxDisable) !== 0;
  }

  /** Keeps INTX_DISABLE set from now on, whatever its guest asks for, or lets it go again. */
  holdIntx(state: 'on' | 'off'): void {
    const held = this.#intxHeld;
    this.#set(INTX_HELD, state === 'on');
    if (this.#intxHeld) this.setIntxDisabled('on');
    else if (held && this.enabled && this.interruptType === 'none') this.setIntxDisabled('off');
  }

  /** To be called when the command register was lost or written back: an INTX_DISABLE that is held is set again. */
  keepIntxHeld(): void {
    if (this.#intxHeld) this.setIntxDisabled('on');
  }

  setInvalidate(state: 'on' | 'off'): boolean {
    if (state === 'on') {
      const line = this.hardware.readConfig(Register.cacheLineSize, 1);
      if (line === 0 || line % CACHE_LINE_DWORDS !== 0) {
        this.hardware.writeConfig(Register.cacheLineSize, 1, CACHE_LINE_DWORDS);
        if (this.hardware.readConfig(Register.cacheLineSize, 1) !== CACHE_LINE_DWORDS) return false;
      }
    }
    this.#setCommandBit(CommandBit.invalidate, state);
    return true;
  }

  #setCommandBit(bit: number, state: 'on' | 'off'): void {
    const command = this.#command;
    const next = state === 'on' ? command | bit : command & ~bit;
    if (next !== command) this.#command = next;
  }

  /** Whether MEMORY decode is on in hardware; for a virtual function that of its physical function. */
  get decodesMemory(): boolean {
    const governing = this.hardware.physical ?? this.hardware;
    return (governing.readConfig(Register.command, 2) & CommandBit.memory) !== 0;
  }

  get powerState(): PowerState {
    if (this.power === undefined) return 0;
    return (this.hardware.readConfig(this.power + Power.control, 2) & Power.stateMask) as PowerState;
  }

  whenAwake(again: () => Outcome): Outcome {
    return this.setPowerState(0, () => (this.powerState === 0 ? again() : Status.opFailed));
  }

  /** Brings the function to D0 and waits as long as it needs; addresses that it lost are given back. @throws HostError */
  async wake(): Promise<void> {
    // Its own timer, set first, is over first.
    if (this.setPowerState(0) === Outcome.later)
      await new Promise<void>((resolve) => this.#clock.after(D3_DELAY, resolve));
  }

  setPowerState(state: PowerState, then?: () => Outcome): Outcome {
    const { power } = this;
    if (power === undefined) return state === 0 ? Status.success : Status.accessDenied;
    const control = this.hardware.readConfig(power + Power.control, 2);
    const current = (control & Power.stateMask) as PowerState;
    if (state === current) return then?.() ?? Status.success;
    const supported = this.hardware.readConfig(power + Power.capabilities, 2);
    if ((state === 1 && (supported & Power.d1) === 0) || (state === 2 && (supported & Power.d2) === 0)) {
      return Status.success;
    }
    if (state !== 0 && current > state) return Status.accessDenied;
    // A one in PME_Status would clear it; the guest did not ask for that here.
    const next = (control & ~(Power.stateMask | Power.pmeStatus)) | state;
    const lostState = state === 0 && current === 3 && (control & Power.noSoftReset) === 0;
    if (lostState) this.#set(BARS_LOST, true);
    this.hardware.writeConfig(power + Power.control, 2, next);
    const deepest = Math.max(state, current);
    if (deepest < 2) return then?.() ?? Status.success;
    this.#cancelTransition = this.#clock.after(deepest === 3 ? D3_DELAY : D2_DELAY, () => {
      this.#cancelTransition = undefined;
      const status = this.endTransition(then);
      this.#terms?.settled(status);
    });
    return Outcome.later;
  }

  resetFunction(): Outcome {
    const terms = this.#terms;
    if (terms === undefined) return Status.accessDenied;
    void terms.reset().then((status) => {
      // A guest that has lost the device meanwhile waits for no answer.
      if (this.#terms === terms) terms.settled(status);
    });
    return Outcome.later;
  }

  /** The function has come to its power state: it gets back what it lost on the way, then `then`. @returns what to answer */
  endTransition(then?: () => Outcome): Outcome {
    try {
      if (this.#is(BARS_LOST)) {
        this.restoreBars();
        this.keepIntxHeld();
        this.#set(BARS_LOST, false);
      }
    } catch (error) {
      if (error instanceof HostError) return then === undefined ? Status.accessDenied : Status.opFailed;
      throw error;
    }
    return then?.() ?? Status.success;
  }

  /** Writes the addresses that the host assigned into BARs that do not hold them any more. */
  restoreBars(): void {
    const { headerType, virtualFunction } = this.hardware.identity;
    const last = virtualFunction ? 0 : headerType === 0 ? 6 : 2;
    for (let index = 0; index < last; index++) {
      const resource = this.hardware.resources[index];
      if (resource === undefined || resource.size === 0n || (resource.flags & ResourceFlag.fixed) !== 0) continue;
      const offset = Register.firstBar + 4 * index;
      const low = Number(resource.start & 0xffffffffn) | (resource.flags & ResourceFlag.typeBits);
      this.hardware.writeConfig(offset, 4, low >>> 0);
      if ((resource.flags & ResourceFlag.memory64) !== 0) {
        this.hardware.writeConfig(offset + 4, 4, Number(resource.start >> 32n));
      }
    }
  }

  get interruptType(): InterruptType {
    const on = (capability: number | undefined, control: number, enable: number): boolean =>
      capability !== undefined && (this.hardware.readConfig(capability + control, 2) & enable) !== 0;
    const msi = on(this.msi, Msi.control, Msi.enable);
    const msix = on(this.msix, Msix.control, Msix.enable);
    if (msi && msix) return 'several';
    if (msi) return 'msi';
    if (msix) return 'msix';
    return (this.#command & CommandBit.intxDisable) === 0 ? 'intx' : 'none';
  }

  get refusesControlWords(): boolean {
    return this.#terms?.interrupts.refusesControlWords ?? true;
  }

  allowsControlWord(kind: MessageKind, old: number, next: number): boolean {
    return this.#terms?.interrupts.allowsControlWord(kind, old, next) ?? false;
  }

  get keepsIntxVirtual(): boolean {
    return this.#terms?.interrupts.keepsIntxVirtual ?? true;
  }

  decidesIntx(old: IntxState, next: IntxState): IntxAnswer {
    return this.#terms?.interrupts.decidesIntx(old, next) ?? 'virtual';
  }

  /** INTX_DISABLE when a message interrupt comes on: set, except where that would stop the messages too. */
  silenceIntx(): void {
    if (!this.#disableStopsMessages) this.setIntxDisabled('on');
    // With messages the device leaves its line alone by itself.
    else if (this.#intxHeld) this.#setCommandBit(CommandBit.intxDisable, 'off');
  }

  get #disableStopsMessages(): boolean {
    return this.#terms?.limits.disableStopsMessages === true;
  }

  /** INTX_DISABLE when a message interrupt has gone off: clear, unless the other kind came on behind the host's back. */
  resumeIntx(): void {
    const type = this.interruptType;
    // Where it is held this sets it: messages may have needed it clear.
    if (type === 'none' || (type === 'intx' && this.#intxHeld)) this.setIntxDisabled('off');
  }

  /** Switches the function off between guests: no bus master, no message interrupt. Decode stays (XSA-120, D-S11). */
  turnOff(): void {
    if (this.msix !== undefined) this.#clear(this.msix + Msix.control, Msix.enable);
    if (this.msi !== undefined) this.#clear(this.msi + Msi.control, Msi.enable);
    this.#setCommandBit(CommandBit.invalidate, 'off');
    this.disable();
  }

  #clear(offset: number, bit: number): void {
    const word = this.hardware.readConfig(offset, 2);
    if ((word & bit) !== 0) this.hardware.writeConfig(offset, 2, word & ~bit);
  }
}
