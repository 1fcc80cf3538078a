// SPDX-License-Identifier: MIT

import { createEmbeddedPlatform, sample, sampleNames } from 'pciback';
import { definePlugin } from 'pciback/plugin';
import { z } from 'zod';

/** Of the platform, and of its section of the rc file. */
export const NAME = 'thing';

const section = z
  .strictObject({
    cards: z.array(z.enum(sampleNames)).min(1).default(['e1000e']).describe('The cards of this machine.'),
  })
  .prefault({});

export default definePlugin({
  name: 'pciback-acme-thing',
  version: '0.1.0',
  api: '^1.1',
  apply: (host) => {
    host.platforms.add(NAME, {
      about: 'Xen in this process, with sample cards.',
      options: section,
      // A platform of your own meets the obligations in pciback's core/platform; platformContract of pciback/testing tries them.
      create: async ({ options, log }) => {
        log.info({ cards: options.cards }, 'opened');
        return { ...createEmbeddedPlatform({ devices: options.cards.map((name) => sample(name)) }), name: NAME };
      },
      diagnose: async () => [{ what: 'cards', verdict: 'ok', detail: 'nothing is needed' }],
    });
  },
});
