// SPDX-License-Identifier: MIT

import { definePlugin, hide, type Surgery } from '../../core/plugin/index.ts';
import { namedCapabilities } from '../capability-names.ts';

/**
 * What no guest can use, and what reaches beyond its function: of buses and slots that are the host's, of debuggers, of root
 * complexes: xen_pt or vfio-pci hide each of them. And those of CXL: memory that host and device keep coherent.
 */
export const hiddenByDefault = [
  'agp',
  'slot-id',
  'hot-swap',
  'debug-port',
  'resource-control',
  'hot-plug',
  'agp-8x',
  'secure-device',
  'root-links',
  'root-internal-link',
  'root-event-collector',
  'root-register-block',
  'configuration-access',
  'mr-iov',
  'amd-reserved',
  'cxl',
] as const;

type Name = (typeof hiddenByDefault)[number];

/** Who says how the registers of CXL are laid out, in designated vendor-specific capabilities. */
const CXL_CONSORTIUM = 0x1e98;

const surgeryOf = (name: Name): Surgery | undefined => {
  if (name === 'cxl') return hide(0x0023, 'extended', CXL_CONSORTIUM);
  const named = namedCapabilities.find((one) => one.name === name);
  return named === undefined ? undefined : hide(named.id, named.list);
};

/**
 * Takes legacy and dangerous capabilities out of the lists that guests see: `['fields/legacy', { show: ['agp'] }]` leaves one
 * in, `without: [fields/legacy]` all. Others are hidden by `fields/hide`.
 */
export default definePlugin({
  name: 'fields/legacy',
  api: '^1.0',
  options: {
    defaults: { show: [] as Name[] },
    schema: async () => {
      const { z } = await import('zod');
      return z.strictObject({
        show: z.array(z.enum(hiddenByDefault)).default([]).describe('Capabilities that guests see all the same.'),
      });
    },
  },
  apply: (host, { show }) => {
    for (const name of hiddenByDefault.filter((one) => !show.includes(one))) {
      const surgery = surgeryOf(name);
      if (surgery !== undefined) host.surgery.add(`legacy ${name}`, surgery);
    }
  },
});
