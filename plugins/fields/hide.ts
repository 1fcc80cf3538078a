// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { definePlugin, hide, type Surgery } from '../../core/plugin/index.ts';
import { namedCapabilities } from '../capability-names.ts';

/** Capabilities that a list can be without. */
const named = new Map(
  namedCapabilities
    .filter(({ id }) => id !== 0)
    .map(({ name, id, list }): readonly [string, Surgery] => [name, hide(id, list)]),
);

/** Names that option `capabilities` takes. */
export const hideable: readonly string[] = [...named.keys()];

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
    for (const name of new Set(capabilities)) host.surgery.add(`hide ${name}`, named.get(name) as Surgery);
  },
});
