// SPDX-License-Identifier: MIT

import type { Bdf } from './bdf.ts';

/** A test on addresses, as it was written. */
export interface AddressPattern {
  readonly text: string;
  matches(address: Bdf): boolean;
}

/** What becomes of a device that could not be reset. */
export type ResetOutcome = 'quarantine' | 'allow';

/** Settings of one device in one guest; each overrides the general list of its name, both ways. */
export interface GuestDeviceConfig {
  readonly permissive?: boolean | undefined;
  readonly allowInterruptControl?: boolean | undefined;
}

/** Settings of one guest. */
export interface GuestConfig {
  /** Slot mapper; missing: the general one. */
  readonly slots?: string | undefined;
  /** Interrupt policy; missing: the general one. */
  readonly interrupts?: string | undefined;
  /** By address, as `formatBdf` writes it. */
  readonly devices: Readonly<Record<string, GuestDeviceConfig>>;
}

/** What the core is told, whoever read it: checked, complete, addresses parsed. */
export interface EngineConfig {
  /** Functions that are seized at start. */
  readonly hide: readonly AddressPattern[];
  /** Whether guests are looked for and served; without, devices are seized, reset and given back, and the store is left alone. */
  readonly backend: boolean;
  readonly slots: string;
  readonly interrupts: string;
  readonly permissive: readonly AddressPattern[];
  readonly allowInterruptControl: readonly AddressPattern[];
  readonly sharedLines: 'refuse' | 'allow';
  readonly onReset: { readonly failed: ResetOutcome; readonly unsupported: ResetOutcome };
  /** Seconds that guests get to let go of their devices. */
  readonly shutdownSeconds: number;
  readonly guests: Readonly<Record<string, GuestConfig>>;
}
