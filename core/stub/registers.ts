// SPDX-License-Identifier: MIT

/** Registers and bits the host itself works with (PCI Local Bus 3.0, PCI Express base specification). */
export const Register = {
  command: 0x04,
  cacheLineSize: 0x0c,
  firstBar: 0x10,
  interruptPin: 0x3d,
} as const;

export const CommandBit = {
  io: 0x0001,
  memory: 0x0002,
  master: 0x0004,
  invalidate: 0x0010,
  intxDisable: 0x0400,
} as const;

/** MSI: control word at +2. */
export const Msi = { control: 2, enable: 0x0001 } as const;

/** MSI-X: control word at +2. */
export const Msix = { control: 2, enable: 0x8000 } as const;

/** Power management: capabilities word at +2, control word at +4. */
export const Power = {
  capabilities: 2,
  control: 4,
  d1: 0x0200,
  d2: 0x0400,
  stateMask: 0x0003,
  noSoftReset: 0x0008,
  /** PME enable and data select: what a host puts back. */
  saved: 0x1f00,
  pmeStatus: 0x8000,
} as const;
