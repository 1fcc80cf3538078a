// SPDX-License-Identifier: MIT

import type { Bdf } from '../bdf.ts';
import type { PageReference } from './memory.ts';

/** Facts about a function that the host established when it found the device; a guest cannot change them. */
export interface PciIdentity {
  readonly bdf: Bdf;
  readonly vendor: number;
  readonly device: number;
  readonly subsystemVendor: number;
  readonly subsystemDevice: number;
  /** 24 bits: base class, sub-class, programming interface. */
  readonly class: number;
  readonly revision: number;
  /** 0 or 1; other types cannot be passed through. */
  readonly headerType: number;
  /** Bytes of config space: 256 or 4096. */
  readonly configSize: 256 | 4096;
  readonly virtualFunction: boolean;
  /** The physical function of a virtual one. */
  readonly physicalFunction?: Bdf;
}

/** Flags of a resource as the host's `resource` file has them. */
export const ResourceFlag = {
  typeBits: 0xf,
  /** The register does not hold the address: ports of an IDE controller in compatibility mode, for example. */
  fixed: 0x10,
  io: 0x100,
  memory: 0x200,
  prefetch: 0x2000,
  memory64: 0x100000,
  disabled: 0x10000000,
  unassigned: 0x20000000,
  busy: 0x80000000,
} as const;

/** One BAR or ROM as the host assigned it. A size of 0n means that the function does not have it. */
export interface PciResource {
  readonly start: bigint;
  readonly size: bigint;
  /** {@link ResourceFlag} bits; the low four are the type bits of the register itself. */
  readonly flags: number;
}

export type ResetOutcome =
  | { readonly ok: true; readonly method: string }
  /** `unsupported`: the function has no reset method at all. */
  | { readonly ok: false; readonly reason: 'unsupported' | 'failed'; readonly detail: string };

/**
 * One function of the host that this process holds.
 *
 * Obligations: config accesses are exactly one access of the given size on the bus, synchronous, and reach hardware
 * (no cache); they throw `HostError` when the host refuses. Offsets are checked by the caller and naturally aligned.
 * A read that nobody answered may be asked a second time, in another way.
 */
export interface PciFunction {
  readonly identity: PciIdentity;
  /** BARs 0..5 and the ROM at index 6, as the host had them when it was last asked ({@link PciBus.stillHolds}). */
  readonly resources: readonly PciResource[];
  /** Number of the legacy line interrupt (the GSI on a PV dom0); 0: none. As with {@link resources}. */
  readonly line: number;
  readConfig(offset: number, size: 1 | 2 | 4): number;
  /** File descriptor of its config space, for accesses by another thread of this process. Missing: there is none. */
  readonly configFile?: number;
  /**
   * Memory of its config space for reads by any thread of this process, `identity.configSize` bytes of it: a load is one
   * access of its width on the bus; all ones mean that nobody answered there, ask through {@link readConfig}. To be
   * loaded from by `Atomics.load`, which is never left out, repeated or widened; a store ends the process. Not to be
   * used while {@link reset} is under way. Valid until the function is released. Missing: there is none.
   */
  readonly configPage?: PageReference;
  writeConfig(offset: number, size: 1 | 2 | 4, value: number): void;
  /** For a virtual function: config reads of its physical function, whose MEMORY decode governs both. */
  readonly physical?: Pick<PciFunction, 'readConfig'>;
  /** Names of the host's methods to reset it, in the order in which they are tried. Missing: the host does not tell. */
  resetMethods?(): Promise<readonly string[]>;
  /**
   * Resets this function only. Config space is lost afterwards: the caller restores it. Never throws for "cannot".
   *
   * @param without methods that are not to be tried
   */
  reset(without?: readonly string[]): Promise<ResetOutcome>;
}

/** What {@link PciBus.list} tells about a function without touching it. */
export interface PciListing {
  readonly bdf: Bdf;
  readonly vendor: number;
  readonly device: number;
  readonly class: number;
  /** Who holds it: `free`, `seizable` by this process now, or the name of another driver. */
  readonly holder: string;
  readonly seizable: boolean;
}

/** The PCI functions of the host. */
export interface PciBus {
  list(): Promise<PciListing[]>;
  /** The chain of bridges above a function, nearest first; empty on a root bus. */
  bridgesAbove(address: Bdf): Promise<Bdf[]>;
  /**
   * Takes the function for pass-through: afterwards no driver of the host touches it.
   *
   * @throws PcibackError `DEVICE_NOT_FOUND`, `DEVICE_NOT_SEIZABLE` with what to do.
   */
  seize(address: Bdf): Promise<PciFunction>;
  /**
   * Whether this process has held the function without a break; what the host may have changed (addresses, the line) is
   * looked up again. One that the host took away is let go of: later accesses throw ENODEV. Missing: no host takes any away.
   */
  stillHolds?(device: PciFunction): Promise<boolean>;
  /** Gives a seized function back to the host. */
  release(device: PciFunction): Promise<void>;
}
