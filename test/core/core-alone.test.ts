// SPDX-License-Identifier: MIT

import { relative, resolve } from 'node:path';
import { createJiti } from 'jiti';
import { expect, it } from 'vitest';
import { type ServedAlone, serveAlone } from '../kit/core-alone.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** All that may be loaded beside the core. */
const ALLOWED = [
  /^core\//,
  /^plugins\/platforms\/embedded\//,
  /^plugins\/platforms\/(recovery-sequence|holdings|toolstack-nodes)\.ts$/,
  /^plugins\/(bridges|device-pattern|device-test|errors|function-facts|host-facts|read-text)\.ts$/,
  /^plugins\/kinds\/platform\.ts$/,
  /^plugins\/initial-verdicts\.ts$/,
  /^plugins\/guest-budgets\.ts$/,
  /^plugins\/fields\/(field-plugin|header|self-test|bars|command|control-word)\.ts$/,
  /^plugins\/interrupts\/(policy-plugin|strict|rules)\.ts$/,
  /^plugins\/interrupts\/device\//,
  /^plugins\/slots\/vpci\.ts$/,
  /^test\/kit\/core-alone\.ts$/,
];

it('the core without any part serves a guest, and loads nothing else', { timeout: 120_000 }, async () => {
  // A loader of its own, because it can tell what it has loaded.
  const jiti = createJiti(import.meta.url, { fsCache: false, tryNative: false });
  const main = await jiti.import<{ serveAlone(interrupts: 'carried out' | 'missing'): Promise<ServedAlone> }>(
    '../kit/core-alone.ts',
  );
  const { report, ledger } = await main.serveAlone('carried out');
  expect(report.devices).toMatchObject([{ vendor: 0x8086, device: 0x10d3, driver: { interrupts: 'msix' } }]);
  expect(report.devices[0]?.bars.length).toBeGreaterThan(2);
  expect(ledger).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });

  const loaded = Object.keys(jiti.cache)
    .map((file) => relative(ROOT, file))
    .filter((file) => !file.startsWith('..') && !file.startsWith('node_modules'));
  expect(loaded).toContain('core/pciback.ts');
  expect(loaded).toContain('plugins/slots/vpci.ts');
  expect(loaded.filter((file) => !ALLOWED.some((form) => form.test(file)))).toEqual([]);
});

it('nor does it need anybody who carries out what guests ask of interrupts: the guest has none then', async () => {
  const { report, ledger } = await serveAlone('missing');
  expect(report.devices).toMatchObject([{ vendor: 0x8086, device: 0x10d3 }]);
  expect(report.devices[0]?.driver?.interrupts).not.toMatch(/msi/);
  expect(ledger).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
});
