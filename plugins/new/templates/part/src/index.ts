// SPDX-License-Identifier: MIT

import { definePlugin, operation } from 'pciback/plugin';
import { z } from 'zod';

/** Of the part, of its section of the rc file and of its operation. */
export const NAME = 'thing';

const section = z
  .strictObject({ ignore: z.array(z.string()).default([]).describe('Beginnings of owners that are not counted.') })
  .prefault({});

const operationsOf = (counts: ReadonlyMap<string, number>) => ({
  [NAME]: operation({
    about: 'Kinds of refused writes, by the owner of the bits.',
    asks: z.strictObject({ least: z.int().default(1).describe('Owners with fewer are left out.') }),
    answer: ({ least }) => Object.fromEntries([...counts].filter(([, count]) => count >= least)),
  }),
});

export default definePlugin({
  name: 'pciback-acme-thing',
  version: '0.1.0',
  api: '^1.1',
  apply: (host) => {
    const counts = new Map<string, number>();
    let ignored: readonly string[] = [];
    host.hooks.deniedWrite.tap(({ owner }) => {
      if (!ignored.some((one) => owner.startsWith(one))) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    });
    host.parts.add(NAME, {
      about: 'Counts refused writes by the owner of the bits.',
      options: section,
      operations: operationsOf(counts),
      start: ({ options }) => {
        ignored = options.ignore;
        return { counters: () => ({ owners: counts.size }) };
      },
    });
  },
});
