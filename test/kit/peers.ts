// SPDX-License-Identifier: MIT

import type { CapabilityList } from '../../core/space/surgery.ts';

/** What another program does with a capability of a device that a guest has. */
export interface PeerCells {
  /** The kernel's back end of Linux 6.1. */
  readonly xenPciback: string;
  /** The device model of QEMU for HVM guests of Xen. */
  readonly xenPt: string;
  /** Linux, for virtual machines of KVM. */
  readonly vfioPci: string;
}

/** Said of a peer from memory of how it works, not held against it. */
export const UNCHECKED = 'not checked here';
const unchecked = (text: string): string => `${text} (${UNCHECKED})`;

const RAW = 'shown; read from hardware, writes dropped';
const HIDDEN = 'hidden';

/** The kernel's back end knows four; all others it shows as they are. */
const kernel: Readonly<Record<number, string>> = {
  1: '4 fields: power state by the host, PME off; else dropped',
  3: 'address for reads, data read-only',
  5: 'control word by policy; address and data readable',
  17: 'control word by policy',
};

const xenPt: Readonly<Record<number, string>> = {
  1: '3 registers under masks',
  2: HIDDEN,
  3: '2 registers, to hardware',
  4: HIDDEN,
  5: '10 registers, one vector',
  7: HIDDEN,
  9: 'written raw',
  12: HIDDEN,
  13: HIDDEN,
  14: HIDDEN,
  16: '8 registers, controls are the guest’s own',
  17: 'control word; table behind the BAR',
};
/** Groups of registers that it does not have are no part of its list. */
const XEN_PT_OTHER = unchecked('out of the list; read from hardware, writes dropped');
const XEN_PT_EXTENDED = 'out of reach: 256 bytes of config space';

const vfio: Readonly<Record<CapabilityList, Readonly<Record<number, string>>>> = {
  standard: {
    1: 'state trapped, PME the guest’s own, the rest to hardware',
    3: 'trapped both ways',
    4: HIDDEN,
    5: 'all registers virtual, interrupts by ioctl',
    6: HIDDEN,
    7: 'command and ECC status to hardware',
    9: 'written raw',
    10: HIDDEN,
    11: HIDDEN,
    12: HIDDEN,
    13: HIDDEN,
    14: HIDDEN,
    15: HIDDEN,
    16: 'device control to hardware but for payload, reset trapped, reads of at least the payload; device control 2 but for ARI',
    17: 'control word by the kernel, table by the user',
    19: 'reset trapped',
    20: unchecked(HIDDEN),
    21: unchecked(HIDDEN),
  },
  extended: {
    1: 'status, masks and severities to hardware',
    4: 'selector to hardware',
    5: HIDDEN,
    6: HIDDEN,
    7: HIDDEN,
    10: HIDDEN,
    11: 'written raw',
    12: HIDDEN,
    16: 'shown, read-only',
    17: HIDDEN,
    20: HIDDEN,
    25: HIDDEN,
    26: HIDDEN,
    27: HIDDEN,
  },
};
/** Ids that its table of extended capabilities knows. */
const VFIO_KNOWS = 0x1b;

const vfioCell = (list: CapabilityList, id: number): string => {
  const known = vfio[list][id];
  if (known !== undefined) return known;
  return list === 'extended' && id > VFIO_KNOWS ? unchecked(HIDDEN) : RAW;
};

/** What the peers do with a capability. */
export const peersOf = (list: CapabilityList, id: number): PeerCells => ({
  xenPciback: (list === 'standard' ? kernel[id] : undefined) ?? RAW,
  xenPt: list === 'extended' ? XEN_PT_EXTENDED : (xenPt[id] ?? XEN_PT_OTHER),
  vfioPci: vfioCell(list, id),
});
