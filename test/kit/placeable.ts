// SPDX-License-Identifier: MIT

import { type Bdf, parseBdf } from '../../core/bdf.ts';
import type { PciIdentity } from '../../core/platform/pci.ts';
import type { Placeable } from '../../core/slots.ts';

/** A function to place in a slot map, by its address: an Ethernet endpoint on a root bus unless told otherwise. */
export const placeable = (
  address: string | Bdf,
  identity: Partial<PciIdentity> = {},
  bridges: readonly string[] = [],
): Placeable => ({
  identity: {
    bdf: typeof address === 'string' ? parseBdf(address) : address,
    vendor: 0x8086,
    device: 0x10d3,
    subsystemVendor: 0,
    subsystemDevice: 0,
    class: 0x020000,
    revision: 0,
    headerType: 0,
    configSize: 4096,
    virtualFunction: false,
    ...identity,
  },
  bridges: bridges.map(parseBdf),
});
