// SPDX-License-Identifier: MIT

import { definePlugin, hide } from '../../core/plugin/index.ts';
import type { NamedCapability } from '../capability-names.ts';
import { namedCapabilities } from '../capability-names.ts';

/**
 * What no guest can use, and what reaches beyond its function: of buses and slots that are the host's, of debuggers, of root
 * complexes. xen_pt or vfio-pci hide each of them.
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
] as const;

type Name = (typeof hiddenByDefault)[number];

const isHidden = ({ name }: NamedCapability): boolean => (hiddenByDefault as readonly string[]).includes(name);

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
    for (const { name, id, list } of namedCapabilities.filter(isHidden)) {
      if (!(show as readonly string[]).includes(name)) host.surgery.add(`legacy ${name}`, hide(id, list));
    }
  },
});
