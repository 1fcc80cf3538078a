// SPDX-License-Identifier: MIT

import { controlOptions, definePlugin, type OperationsOf, operation } from 'pciback/plugin';
import { z } from 'zod';

/** The section `tally` of the rc file. */
const section = z
  .strictObject({ ignore: z.array(z.string()).default([]).describe('Beginnings of owners that are not counted.') })
  .prefault({});

const operationsOf = (counts: ReadonlyMap<string, number>) => ({
  tally: operation({
    about: 'Kinds of refused writes, by the owner of the bits.',
    asks: z.strictObject({ least: z.int().default(1).describe('Owners with fewer are left out.') }),
    answer: ({ least }) => Object.fromEntries([...counts].filter(([, count]) => count >= least)),
  }),
});

export default definePlugin({
  name: 'lab/tally',
  api: '^1.0',
  apply: (host) => {
    const counts = new Map<string, number>();
    let ignored: readonly string[] = [];
    host.hooks.deniedWrite.tap(({ owner }) => {
      if (!ignored.some((one) => owner.startsWith(one))) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    });
    host.parts.add('tally', {
      about: 'Counts refused writes by the owner of the bits.',
      options: section,
      operations: operationsOf(counts),
      start: ({ options }) => {
        ignored = options.ignore;
        return { counters: () => ({ owners: counts.size }) };
      },
    });
    host.commands.add({
      name: 'tally',
      summary: 'who refused how many kinds of writes',
      options: controlOptions,
      run: async ({ control, print }) => {
        const client = await control<OperationsOf<ReturnType<typeof operationsOf>>>();
        const found = await client.require('tally', {});
        for (const [owner, count] of Object.entries(found)) print(`${count}  ${owner}`);
        return 0;
      },
    });
  },
});
