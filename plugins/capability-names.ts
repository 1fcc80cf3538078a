// SPDX-License-Identifier: MIT

/** Capabilities in the list at 0x34, by id (PCI Code and ID Assignment 1.15, §2). */
const standard: Readonly<Record<number, string>> = {
  0: 'null',
  1: 'power-management',
  2: 'agp',
  3: 'vpd',
  4: 'slot-id',
  5: 'msi',
  6: 'hot-swap',
  7: 'pci-x',
  8: 'hypertransport',
  9: 'vendor-specific',
  10: 'debug-port',
  11: 'resource-control',
  12: 'hot-plug',
  13: 'bridge-subsystem',
  14: 'agp-8x',
  15: 'secure-device',
  16: 'pcie',
  17: 'msi-x',
  18: 'sata',
  19: 'advanced-features',
  20: 'enhanced-allocation',
  21: 'flattening-portal-bridge',
};

/** Those in the list at 0x100, by id (§3; from 0x0032 on: PCI Express 6.2, §7). */
const extended: Readonly<Record<number, string>> = {
  0: 'null-extended',
  1: 'aer',
  2: 'virtual-channels',
  3: 'serial-number',
  4: 'power-budgeting',
  5: 'root-links',
  6: 'root-internal-link',
  7: 'root-event-collector',
  8: 'multi-function-channels',
  9: 'virtual-channels-beside',
  10: 'root-register-block',
  11: 'vendor-specific-extended',
  12: 'configuration-access',
  13: 'acs',
  14: 'ari',
  15: 'ats',
  16: 'sr-iov',
  17: 'mr-iov',
  18: 'multicast',
  19: 'pri',
  20: 'amd-reserved',
  21: 'resizable-bars',
  22: 'dynamic-power',
  23: 'tph',
  24: 'ltr',
  25: 'secondary-pcie',
  26: 'protocol-multiplexing',
  27: 'pasid',
  28: 'lightweight-notification',
  29: 'dpc',
  30: 'l1-substates',
  31: 'ptm',
  32: 'm-pcie',
  33: 'frs-queueing',
  34: 'readiness-time',
  35: 'designated-vendor-specific',
  36: 'resizable-vf-bars',
  37: 'data-link-feature',
  38: '16-gt',
  39: 'lane-margining',
  40: 'hierarchy-id',
  41: 'enclosure-leds',
  42: '32-gt',
  43: 'alternate-protocol',
  44: 'firmware-intermediary',
  45: 'shadow-functions',
  46: 'doe',
  47: 'device-3',
  48: 'ide',
  49: '64-gt',
  50: 'flit-logging',
  51: 'flit-performance',
  52: 'flit-error-injection',
  53: 'streamlined-channels',
  54: 'mmio-locator',
};

/** Names of capabilities, by list and id. No two are the same. */
export const capabilityNames = { standard, extended } as const;

/** @returns `undefined` for an id that is assigned to nothing */
export const capabilityName = (list: keyof typeof capabilityNames, id: number): string | undefined =>
  capabilityNames[list][id];

/** A capability with its name. */
export interface NamedCapability {
  readonly list: keyof typeof capabilityNames;
  readonly id: number;
  readonly name: string;
}

/** Every capability that there is, those of the list at 0x34 first. */
export const namedCapabilities: readonly NamedCapability[] = (['standard', 'extended'] as const).flatMap((list) =>
  Object.entries(capabilityNames[list]).map(([id, name]) => ({ list, id: Number(id), name })),
);
