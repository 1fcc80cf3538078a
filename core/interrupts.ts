// SPDX-License-Identifier: MIT

import type { Request } from './ring/request.ts';

/** Which interrupt a function uses now, by its registers. `several`: MSI and MSI-X both on, which nothing allows. */
export type InterruptType = 'none' | 'intx' | 'msi' | 'msix' | 'several';

/** A guest's wish to change a MSI or MSI-X control word through config space. */
export interface ControlWordQuestion {
  readonly kind: 'msi' | 'msix';
  readonly current: InterruptType;
  readonly old: number;
  readonly next: number;
  /** `allow_interrupt_control` of the device. */
  readonly allowed: boolean;
}

/** Who may switch interrupts: decisions only, no effects. Chosen by name in the rc file. */
export interface InterruptPolicy {
  /** Whether a config write may change the control word from `old` to `next`. */
  allowsControlWord(question: ControlWordQuestion): boolean;
  /** Why the guest may not switch this kind on through the ring; `undefined`: it may. */
  refusesRequest?(kind: 'msi' | 'msix'): string | undefined;
}

/**
 * The interrupts of one device while a guest has it: requests 2 to 5 of the protocol.
 *
 * Each method answers in the request (`value`, vectors) and returns `err`. Errors never leave as exceptions.
 */
export interface DeviceInterrupts {
  enableMsi(request: Request): number;
  disableMsi(request: Request): number;
  enableMsix(request: Request): number;
  disableMsix(request: Request): number;
  /** PIRQs mapped now. */
  readonly mapped: number;
  /** Switches everything off and unmaps every PIRQ, also when the guest is gone (XSA-360); returns how many were mapped. */
  teardown(): number;
}
