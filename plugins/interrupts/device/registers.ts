// SPDX-License-Identifier: MIT

/** MSI: control word at +2 (PCI Local Bus 3.0, section 6.8). */
export const Msi = { control: 2, enable: 0x0001 } as const;

/** MSI-X: control word at +2, table offset and BAR number at +4. */
export const Msix = { control: 2, table: 4, enable: 0x8000, maskAll: 0x4000, sizeMask: 0x07ff, barMask: 0x7 } as const;
