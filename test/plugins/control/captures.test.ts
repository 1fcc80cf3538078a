// SPDX-License-Identifier: MIT

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { build, type Running, run, start } from '../commands/built.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const page = resolve(import.meta.dirname, '../../../docs/operators/watching.md');
const CAPTURE = /(<!-- capture -->\n```console\n\$ pciback (.*)\n)([\s\S]*?)```/g;
let home: string;
let daemon: Running;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'pciback-watching-'));
  build();
  const rc = { embedded: { devices: ['samples'] }, control: 'control.sock', crash: { directory: 'crash' } };
  writeFileSync(join(home, 'pciback.config.json'), JSON.stringify(rc));
  daemon = start(['serve', '--interrupts', 'strict'], home);
  await daemon.printed('included guest is up');
});

afterAll(async () => {
  daemon.signal('SIGTERM');
  await daemon.end;
  rmSync(home, { recursive: true });
});

/** Numbers differ from run to run, and with them where a line is folded. */
const alike = (output: string): string =>
  output
    .replaceAll(/[\d.:]*\d/g, 'N')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/(N [µm]?s)\b/g, 'N s');

it('the screens of the page are what the commands print, on 80 columns', async () => {
  const text = readFileSync(page, 'utf8');
  const blocks = [...text.matchAll(CAPTURE)];
  expect(blocks.length).toBeGreaterThan(5);
  const printed: string[] = [];
  for (const [, , words = '', before = ''] of blocks) {
    const { out, status } = await run(words.split(' '), home);
    expect(status, words).toBe(0);
    const after = out.replaceAll(home, '/etc/pciback').replaceAll(/ +$/gm, '');
    expect(
      out.split('\n').filter((line) => line.length > 80 && !line.includes(home)),
      words,
    ).toEqual([]);
    printed.push(after);
    if (process.env.UPDATE_REFERENCE !== '1') expect(alike(after), words).toBe(alike(before));
  }
  if (process.env.UPDATE_REFERENCE === '1') {
    writeFileSync(
      page,
      text.replaceAll(CAPTURE, (_block, head: string) => `${head}${printed.shift() ?? ''}\`\`\``),
    );
  }
});
