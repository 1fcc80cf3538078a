// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bundled } from '../../../plugins/bundled.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { doors } from '../../../plugins/program/doors.ts';
import { resolvePlugin } from '../../../plugins/program/resolve.ts';
import { startEmbeddedHost } from '../../kit/embedded-host.ts';

const docs = resolve(import.meta.dirname, '../../../docs/researchers');
const file = join(docs, 'examples/few-vectors.ts');

const example = async () => {
  const { things } = await resolvePlugin(file, { asked: 'test', directory: docs, bundled, doors });
  const [plugin] = things;
  if (plugin?.kind !== 'plugin') throw new Error('the example is no plugin');
  return plugin;
};

/** What a driver that wants three vectors of an 82574L gets when `vectors` are allowed. */
const measured = async (vectors: number | undefined) => {
  const plugin = await example();
  const host = await startEmbeddedHost({
    devices: [sample('e1000e')],
    ...(vectors === undefined ? {} : { config: { interrupts: 'few-vectors' } }),
    plugins: [plugin],
  });
  try {
    if (vectors !== undefined) await host.plugins.replace(plugin, { vectors }, 'test');
    const guest = await host.guest([sample('e1000e').bdf]);
    const driver = (await guest.reached(4)).devices[0]?.driver;
    const pirqs = host.platform.hypervisor.ledger().pirqs.filter((one) => one.kind !== 'line');
    const refused = host.lines.filter(({ message }) => message === 'interrupt request refused');
    return { interrupts: driver?.interrupts, pirqs: pirqs.length, refused: refused.length };
  } finally {
    await host.close();
  }
};

describe('the worked example of the page about interrupt policies', () => {
  it('is on the page as it is in its file, and has 30 lines', () => {
    const source = readFileSync(file, 'utf8').replace(/^\/\/ SPDX.*\n\n/, '');
    expect(readFileSync(join(docs, 'interrupt-policies.md'), 'utf8')).toContain(`\`\`\`ts\n${source}\`\`\``);
    expect(source.trimEnd().split('\n').length).toBeLessThanOrEqual(30);
  });

  it.each([
    [undefined, { interrupts: 'msix', pirqs: 3, refused: 0 }],
    [2, { interrupts: 'msi', pirqs: 1, refused: 1 }],
    [3, { interrupts: 'msix', pirqs: 3, refused: 0 }],
  ])('with %s vectors the table of the page is true', async (vectors, expected) => {
    expect(await measured(vectors)).toEqual(expected);
    if (vectors === undefined) return;
    const { interrupts, pirqs, refused } = expected;
    const name = interrupts === 'msix' ? 'MSI-X' : 'MSI';
    expect(readFileSync(join(docs, 'interrupt-policies.md'), 'utf8')).toContain(
      `| ${vectors} | ${name} | ${pirqs} | ${refused} |`,
    );
  });
});
