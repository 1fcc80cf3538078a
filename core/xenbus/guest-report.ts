// SPDX-License-Identifier: MIT

import type { Bdf } from '../bdf.ts';
import type { PciIdentity } from '../platform/index.ts';
import type { Denial } from '../space/denials.ts';

/** What an operator sees of one guest. */
export interface GuestReport {
  readonly domain: number;
  readonly name: string;
  /** Name of the back end's XenBus state. */
  readonly state: string;
  /** Requests by the name of the command. */
  readonly requests: Record<string, number>;
  /** Answers by the name of the status. */
  readonly errors: Record<string, number>;
  readonly denials: Denial[];
  /** Refused writes in all, and those of them that found no place in `denials` any more. */
  readonly denied: { readonly total: number; readonly unrecorded: number };
  readonly devices: { readonly bdf: Bdf; readonly vdev: Bdf; readonly identity: PciIdentity }[];
}
