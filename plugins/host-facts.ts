// SPDX-License-Identifier: MIT

/** What firmware or the kernel says where no line is connected. */
const NOT_CONNECTED = 0xff;
const NO_LINE = 0x80000000;

/** The number of a line interrupt from what a host says of it; 0: none. */
export const usableLine = (irq: number): number => (irq > 0 && irq < NO_LINE && irq !== NOT_CONNECTED ? irq : 0);

/** Whether an address as a host prints it lies in a segment above ffff, as behind Intel VMD: no guest can have it. */
export const isBeyondXen = (address: string): boolean =>
  /^0*[1-9a-f][0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i.test(address);

/** What is said where such functions are left out. */
export const beyondXen = (addresses: readonly string[]): string =>
  `left out, for no Xen interface can name a PCI segment above ffff: ${addresses.join(', ')}`;
