// SPDX-License-Identifier: MIT

import type { Bdf } from '../bdf.ts';
import type { PciIdentity } from '../platform/pci.ts';
import { matches, type Quirk } from './quirk.ts';

/** A quirk that is in force for some functions only, whatever else it matches. */
export interface LimitedQuirk extends Quirk {
  readonly only: readonly Bdf[];
}

/** The functions that a quirk is limited to; `undefined`: all that it matches. */
export const limitOf = (quirk: Quirk): readonly Bdf[] | undefined =>
  'only' in quirk ? (quirk as LimitedQuirk).only : undefined;

export const limitTo = (quirk: Quirk, only: readonly Bdf[]): LimitedQuirk => ({ ...quirk, only });

/** Whether a quirk is in force for this function. */
export const isFor = (quirk: Quirk, identity: PciIdentity): boolean =>
  (limitOf(quirk)?.includes(identity.bdf) ?? true) && matches(quirk, identity);

/** Whether a function can exist that both limits allow. */
export const limitsMeet = (one: readonly Bdf[] | undefined, other: readonly Bdf[] | undefined): boolean =>
  one === undefined || other === undefined || one.some((address) => other.includes(address));
