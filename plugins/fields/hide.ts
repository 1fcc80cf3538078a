// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { definePlugin, hide, type Surgery } from '../../core/plugin/index.ts';

/** Capabilities by name, with id and list (PCI Code and ID Assignment 1.11, §2 and §3). */
const named = {
  'power-management': hide(0x01),
  agp: hide(0x02),
  vpd: hide(0x03),
  'slot-id': hide(0x04),
  msi: hide(0x05),
  'hot-swap': hide(0x06),
  'pci-x': hide(0x07),
  'vendor-specific': hide(0x09),
  'debug-port': hide(0x0a),
  'resource-control': hide(0x0b),
  'hot-plug': hide(0x0c),
  'bridge-subsystem': hide(0x0d),
  'agp-8x': hide(0x0e),
  'secure-device': hide(0x0f),
  pcie: hide(0x10),
  'msi-x': hide(0x11),
  sata: hide(0x12),
  'advanced-features': hide(0x13),
  'enhanced-allocation': hide(0x14),
  aer: hide(0x0001, 'extended'),
  'virtual-channels': hide(0x0002, 'extended'),
  'serial-number': hide(0x0003, 'extended'),
  'power-budgeting': hide(0x0004, 'extended'),
  'root-links': hide(0x0005, 'extended'),
  'root-internal-link': hide(0x0006, 'extended'),
  'root-event-collector': hide(0x0007, 'extended'),
  'multi-function-channels': hide(0x0008, 'extended'),
  'virtual-channels-beside': hide(0x0009, 'extended'),
  'root-register-block': hide(0x000a, 'extended'),
  'vendor-specific-extended': hide(0x000b, 'extended'),
  'configuration-access': hide(0x000c, 'extended'),
  acs: hide(0x000d, 'extended'),
  ari: hide(0x000e, 'extended'),
  ats: hide(0x000f, 'extended'),
  'sr-iov': hide(0x0010, 'extended'),
  'mr-iov': hide(0x0011, 'extended'),
  multicast: hide(0x0012, 'extended'),
  pri: hide(0x0013, 'extended'),
  'resizable-bars': hide(0x0015, 'extended'),
  'dynamic-power': hide(0x0016, 'extended'),
  tph: hide(0x0017, 'extended'),
  ltr: hide(0x0018, 'extended'),
  'secondary-pcie': hide(0x0019, 'extended'),
  'protocol-multiplexing': hide(0x001a, 'extended'),
  pasid: hide(0x001b, 'extended'),
  dpc: hide(0x001d, 'extended'),
  'l1-substates': hide(0x001e, 'extended'),
  ptm: hide(0x001f, 'extended'),
  'designated-vendor-specific': hide(0x0023, 'extended'),
  'resizable-vf-bars': hide(0x0024, 'extended'),
} as const satisfies Readonly<Record<string, Surgery>>;

type Name = keyof typeof named;

/** Names that option `capabilities` takes. */
export const hideable = Object.keys(named) as [Name, ...Name[]];

/**
 * Takes capabilities out of the lists that guests see, for every device: `['fields/hide', { capabilities: ['sr-iov'] }]`.
 * For single devices there are quirks. Registers behind a hidden capability keep the general rule: readable by a guest
 * that knows where they are, and in permissive mode writable.
 */
export default definePlugin({
  name: 'fields/hide',
  api: '^1.0',
  options: z.strictObject({
    capabilities: z.array(z.enum(hideable)).default([]).describe('Capabilities that no guest sees.'),
  }),
  apply: (host, { capabilities }) => {
    for (const name of new Set(capabilities)) host.surgery.add(`hide ${name}`, named[name]);
  },
});
