// SPDX-License-Identifier: MIT

import type { InterruptType, IntxAnswer, IntxState } from '../interrupts.ts';
import type { PciFunction } from '../platform/pci.ts';
import type { CapabilityLists } from './capabilities.ts';
import type { DescribedWrites } from './described-writes.ts';
import type { Outcome } from './outcome.ts';

export type PowerState = 0 | 1 | 2 | 3;

/** What a register's behaviour can do with its device: the host's own operations on a PCI function. */
export interface DeviceOperations {
  readonly hardware: PciFunction;
  /** Recorded at seizing: a device may change its lists later, and is not believed (XSA-124). */
  readonly lists: CapabilityLists;
  /** Whether the function is switched on for the guest (decode and line interrupt set up). */
  readonly enabled: boolean;
  /**
   * Switches IO and MEMORY decode on as the function's resources need it, and INTx unless MSI or MSI-X is on. In D0 only.
   * @throws HostError EINVAL when a resource is not assigned.
   */
  enable(): void;
  /** Clears bus mastering. Decode stays on: switching it off can bring a host down (XSA-120). */
  disable(): void;
  readonly busMaster: boolean;
  setBusMaster(state: 'on' | 'off'): void;
  /** Memory write and invalidate; `false` when the cache line size does not allow it. */
  setInvalidate(state: 'on' | 'off'): boolean;
  /** 0: D0, to 3: D3hot. */
  readonly powerState: PowerState;
  /** Brings the function to D0 and makes a write again that answered `Outcome.asleep`. */
  whenAwake(again: () => Outcome): Outcome;
  /** Starts the transition to D0..D3hot; `Outcome.later` while the function needs time. */
  setPowerState(state: PowerState): Outcome;
  /** Resets the function, by the reset hook or the host's own methods; answers `Outcome.later` until it has ended. */
  resetFunction(): Outcome;
  /** Writes without a field pass through for this device and this guest. */
  readonly permissive: boolean;
  /** The administrator lets the guest (a device model) switch interrupts through config space. */
  readonly allowInterruptControl: boolean;
  /** Read from hardware each time: a device model may have changed it behind the host's back. */
  readonly interruptType: InterruptType;
  /** Whether the interrupt policy refuses every change of a control word, whatever it is: then nobody need ask. */
  readonly refusesControlWords: boolean;
  /** Asks the interrupt policy whether a change of a control word is allowed. */
  allowsControlWord(kind: 'msi' | 'msix', old: number, next: number): boolean;
  /** Whether INTX_DISABLE is the guest's own, whatever it writes: then nobody need ask. */
  readonly keepsIntxVirtual: boolean;
  /** Asks the interrupt policy what becomes of a change of INTX_DISABLE; not for an unchanged one. */
  decidesIntx(old: IntxState, next: IntxState): IntxAnswer;
  setIntxDisabled(state: 'on' | 'off'): void;
}

/** One register of one device, as its behaviour sees it. Allocated when the table is compiled, never per access. */
export interface RegisterAccess {
  /** Absolute byte offset in config space. */
  readonly offset: number;
  /** Bytes of the register. */
  readonly size: 1 | 2 | 4;
  /** Bits of the register that the behaviour owns, unsigned: the mask that it was declared with. */
  readonly mask: number;
  /** The host's own operations on the function. */
  readonly device: DeviceOperations;
  /** The state words that the behaviour asked for; part of the guest's state, gone with it. */
  readonly words: Uint32Array;
  /** Reads the register from hardware. */
  read(): number;
  /** Writes the register to hardware. */
  write(value: number): void;
  /**
   * Records that the guest's write did not do to `mask` what the guest asked; `why` is a constant text. Outside of `write`
   * there is nothing to refuse: then it does nothing.
   */
  deny(mask: number, why: string): void;
}

/** State words that several registers of one device use together: a key register and what it opens. */
export interface SharedWords {
  /** How many; zero before `attach`. */
  readonly words: number;
}

/**
 * Code behind a register's bits. It runs for each access of a guest: no allocation, no waiting. Whatever it throws, but for
 * what the host refuses, and an answer of another type is its plugin's fault (`PLUGIN_FAULT`): the access fails, and of
 * `attach` the device is refused to the guest.
 */
export interface Behaviour {
  /** What a guest's read shows and a write does, in words, for `pciback explain`. */
  readonly about?: { readonly read?: string; readonly write?: string };
  /** Words of state kept per device and guest; zero before `attach`. */
  readonly words?: number;
  /** Instead of words of its own: those of every register in the table whose behaviour names this same object. */
  readonly shared?: SharedWords;
  /** Runs when the device is given to a guest; every guest starts from fresh state (S-4). A throw refuses the device. */
  attach?(at: RegisterAccess): void;
  /** The whole register as the guest sees it. Missing: hardware. */
  read?(at: RegisterAccess): number;
  /**
   * What `read` gives changes by nothing but a guest's write to this very dword, a reset, and the end of an operation that
   * answered `Outcome.later`. It is then read once after each of those, and guests are answered from memory.
   */
  readonly steady?: boolean;
  /**
   * Writes that `write` need not be asked about. A register with `twofold` or `gated` writes is `steady`, one with `refused`
   * writes has no `read`, and the behaviour owns all of its bits: else they are left to `write`.
   */
  readonly described?: DescribedWrites;
  /**
   * What of `described` holds as things are: all of it, the same with fewer bits, or `undefined`, nothing. The kind, the
   * words and the reason are those of `described`: by them is found what another thread has left. Asked when such a thread
   * is told about the device: when its guest gets it, and when plugins, quirks or the interrupt policy change; never per
   * access. Missing: all.
   */
  describedNow?(at: RegisterAccess): DescribedWrites | undefined;
  /** Does what a write to a `gated` register put off. */
  close?(at: RegisterAccess): void;
  /**
   * A guest's write, already merged to the whole register.
   *
   * @returns a protocol status (0: success), `Outcome.later` or `Outcome.asleep`. Missing: refused silently, with success.
   */
  write?(at: RegisterAccess, value: number): Outcome;
}
