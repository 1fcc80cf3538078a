// SPDX-License-Identifier: MIT

import type { Bdf } from './bdf.ts';
import type { PciIdentity } from './platform/pci.ts';

/** A device, as taps see it: facts, no handles. */
export interface DeviceFacts {
  readonly bdf: Bdf;
  readonly identity: PciIdentity;
}

/** A guest, as taps see it. */
export interface GuestFacts {
  readonly domain: number;
  readonly name: string;
}

/**
 * Why a device was cut off from its guest. `no ring`: the guest is not connected, or is HVM; `no handler`: it does not
 * understand questions about errors; `no address`: it has no virtual address of the device; `not reset`: the device
 * itself did not come back.
 */
export type FenceReason =
  | 'no ring'
  | 'no handler'
  | 'no address'
  | 'no answer'
  | 'guest gave up'
  | 'not reset'
  | 'host gave up';
