// SPDX-License-Identifier: MIT

import type { PciIdentity } from '../../core/platform/index.ts';

/** What is known of resets of some devices. */
export interface KnownResets {
  readonly vendor: number;
  /** Ids, or bits of the id that have to be these. Missing: every device of the vendor. */
  readonly devices?: readonly number[];
  readonly like?: { readonly value: number; readonly mask: number };
  /** Bits of the 24-bit class. Missing: every class. */
  readonly class?: { readonly value: number; readonly mask: number };
  readonly revision?: number;
  /** Methods that do not work for it. */
  readonly broken?: readonly string[];
  /** Milliseconds that it needs after a reset before it may be touched. */
  readonly delay?: number;
  readonly why: string;
}

const NO_FLR = 'its function-level reset does not work';
const NO_BUS = 'a bus reset loses the device';
const NO_PM = 'a reset by power states does not work';
const FLR = ['flr', 'af_flr'];
const BUS = ['bus', 'cxl_bus'];

/** Facts from the table of quirks of Linux (drivers/pci/quirks.c, 6.1) and reports that it names. */
export const knownResets: readonly KnownResets[] = [
  { vendor: 0x1022, devices: [0x1487, 0x148c, 0x149c, 0x7901], broken: FLR, why: NO_FLR },
  { vendor: 0x8086, devices: [0x1502, 0x1503], broken: FLR, why: NO_FLR },
  { vendor: 0xd063, devices: [0x1000], revision: 1, broken: FLR, why: NO_FLR },
  { vendor: 0x168c, devices: [0x0030, 0x0032, 0x0033, 0x0034, 0x003c, 0x003e], broken: BUS, why: NO_BUS },
  { vendor: 0x17cb, devices: [0x0308, 0x1103, 0x1107], broken: BUS, why: NO_BUS },
  { vendor: 0x177d, devices: [0xa100], broken: BUS, why: NO_BUS },
  { vendor: 0x104c, devices: [0xb005], broken: BUS, why: NO_BUS },
  { vendor: 0x1b21, devices: [0x1164], broken: BUS, why: NO_BUS },
  { vendor: 0x10de, devices: [0x22ce, 0x22d0], broken: BUS, why: NO_BUS },
  { vendor: 0x10de, like: { value: 0x2340, mask: 0xffc0 }, broken: BUS, why: NO_BUS },
  { vendor: 0x1002, class: { value: 0x030000, mask: 0xff0000 }, broken: ['pm'], why: NO_PM },
  { vendor: 0x15b3, devices: [0xcb84, 0xcf6c, 0xcf70, 0xcf80], broken: ['pm'], why: NO_PM },
  {
    vendor: 0x8086,
    devices: [0x0953, 0x0a54],
    delay: 250,
    why: 'its controller needs time after a function-level reset',
  },
  { vendor: 0x025e, devices: [0xf1ac], delay: 250, why: 'its controller needs time after a function-level reset' },
];

const fits = (identity: PciIdentity, one: KnownResets): boolean =>
  one.vendor === identity.vendor &&
  (one.devices === undefined || one.devices.includes(identity.device)) &&
  (one.like === undefined || (identity.device & one.like.mask) === one.like.value) &&
  (one.class === undefined || (identity.class & one.class.mask) === one.class.value) &&
  (one.revision === undefined || identity.revision === one.revision);

/** What is known of the resets of a device. */
export const knownOf = (identity: PciIdentity): readonly KnownResets[] =>
  knownResets.filter((one) => fits(identity, one));

/** Methods that are not to be tried, and how long to wait after one that was. */
export const termsOf = (known: readonly KnownResets[]): { readonly without: string[]; readonly delay: number } => ({
  without: known.flatMap(({ broken = [] }) => broken),
  delay: Math.max(0, ...known.map(({ delay = 0 }) => delay)),
});
