// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { z } from 'zod';
import { explainIssue } from '../../plugins/schema-issue.ts';

const schema = z.strictObject({
  plugins: z.array(z.union([z.string(), z.tuple([z.string(), z.strictObject({ retries: z.number() })])])).optional(),
  guests: z.record(z.string(), z.strictObject({ slots: z.enum(['vpci', 'passthrough']) })).optional(),
});

it.each<[object, string, string | undefined]>([
  [{ plugns: [] }, 'plugns', 'plugins'],
  [{ plugins: ['a', 5] }, 'plugins[1]', undefined],
  [{ plugins: ['a', ['b', { retries: 1, retires: 5 }]] }, 'plugins[1][1].retires', 'retries'],
  [{ guests: { 'work-vm': { slots: 'vcpi' } } }, 'guests.work-vm.slots', 'vpci'],
  [{ guests: { 'a b': { slots: 'x' } } }, 'guests["a b"].slots', undefined],
  [{ guests: { vm: { slots: 'vpci', slot: 1 } } }, 'guests.vm.slot', 'slots'],
])('%j is explained at %s', (data, key, near) => {
  const parsed = schema.safeParse(data, { reportInput: true });
  expect(parsed.success).toBe(false);
  expect(explainIssue(schema, parsed.error?.issues[0])).toMatchObject({ key, nearest: near });
});
