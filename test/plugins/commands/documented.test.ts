// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { build } from './built.ts';
import { type Daemon, serve, shell } from './daemon.ts';
import { makePlaces, rc } from './places.ts';

vi.setConfig({ testTimeout: 240_000 });

const operators = join(import.meta.dirname, '../../../docs/operators');
/** Lines of a section to type while a pciback serves the samples alone, the one that starts it left out. */
const linesOf = (page: string, title: string): string[] => {
  const text = readFileSync(join(operators, page), 'utf8');
  const section = text.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^ {4}pciback (.*)$/gm)]
    .map(([, line = '']) => line)
    .filter((line) => !line.startsWith('serve'));
};

const place = makePlaces();
let served: string;
let daemon: Daemon;
beforeAll(async () => {
  build();
  served = place(rc({ embedded: { devices: ['samples'] }, control: 'control.sock' }));
  daemon = serve(served);
  await daemon.serves();
}, 600_000);
afterAll(async () => {
  daemon.signal('SIGTERM');
  await daemon.end;
});

it.each([
  ['interrupt-lines.md', 'The handlers', 2],
  ['errors-recovery.md', 'Rehearsing', 2],
  ['switches.md', 'On a laptop', 4],
])('what %s says to type under "%s" works with the samples', async (page, title, count) => {
  const lines = linesOf(page, title);
  expect(lines).toHaveLength(count);
  for (const line of lines) expect([line, await shell(served, line)]).toMatchObject([line, { status: 0 }]);
});
