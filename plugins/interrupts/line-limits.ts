// SPDX-License-Identifier: MIT

import { definePlugin, type InterruptLimits, type PciIdentity } from '../../core/plugin/index.ts';

interface Row {
  readonly vendor: number;
  readonly devices: readonly number[];
  /** Only revisions below this one. */
  readonly before?: number;
}

/**
 * Devices in which INTX_DISABLE also stops MSI and MSI-X: it stays clear while one of them is on. Ids as in Linux 6.1,
 * drivers/pci/quirks.c ("MSI INTx disable bug"). For the AMD south bridges the kernel asks their revision too; here all
 * count, since a device that uses messages sends nothing over its line.
 */
const disableStopsMessages: readonly Row[] = [
  { vendor: 0x1002, devices: [0x4373, 0x4374, 0x4375, 0x4390, 0x4391, 0x4392, 0x4393, 0x4394] },
  { vendor: 0x14e4, devices: [0x1668, 0x1669, 0x166a, 0x166b, 0x1678, 0x1679] },
  { vendor: 0x1969, devices: [0x1062, 0x1063, 0x1073, 0x1083, 0x2060, 0x2062] },
  { vendor: 0x1969, devices: [0x1090, 0x1091, 0x10a0, 0x10a1, 0xe091], before: 0x18 },
];

/**
 * Devices whose INTX_DISABLE does not mask the line. A device model that counts on it would lose interrupts or drown in
 * them. Ids as in Linux 6.1, drivers/pci/quirks.c ("broken INTx masking").
 */
const maskingBroken: readonly Row[] = [
  { vendor: 0x10ec, devices: [0x8169] },
  { vendor: 0x1102, devices: [0x000b] },
  { vendor: 0x1425, devices: [0x0030] },
  { vendor: 0x1814, devices: [0x0601] },
  { vendor: 0x1b7c, devices: [0x0004] },
  {
    vendor: 0x8086,
    // Intel 700 and X722 series.
    devices: [
      0x1572, 0x1574, 0x1580, 0x1581, 0x1583, 0x1584, 0x1585, 0x1586, 0x1587, 0x1588, 0x1589, 0x158a, 0x158b, 0x37d0,
      0x37d1, 0x37d2,
    ],
  },
];

const isIn = (rows: readonly Row[], { vendor, device, revision }: PciIdentity): boolean =>
  rows.some(
    (row) =>
      row.vendor === vendor && row.devices.includes(device) && (row.before === undefined || revision < row.before),
  );

/** What is known to be special about the line interrupt of this device; `undefined`: nothing. */
export const limitsOf = (identity: PciIdentity): InterruptLimits | undefined => {
  const limits: InterruptLimits = {
    disableStopsMessages: isIn(disableStopsMessages, identity),
    maskingBroken: isIn(maskingBroken, identity),
  };
  return limits.disableStopsMessages || limits.maskingBroken ? limits : undefined;
};

/** Facts about devices, in force under every policy. */
export default definePlugin({
  name: 'interrupts/line-limits',
  api: '^1.0',
  apply: (host) => {
    host.hooks.interruptLimits.tap((device) => limitsOf(device.identity));
  },
});
