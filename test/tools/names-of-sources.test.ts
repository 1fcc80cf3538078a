// SPDX-License-Identifier: MIT

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { build, dist } from '../plugins/commands/built.ts';

const { namesOfSources } = (await import(pathToFileURL(join(import.meta.dirname, 'names-of-sources.mjs')).href)) as {
  readonly namesOfSources: (folder: string) => readonly string[];
};

const folder = mkdtempSync(join(tmpdir(), 'pciback-names-'));
beforeAll(build, 300_000);
afterAll(() => rmSync(folder, { recursive: true }));

it('finds no import of a source in what is built', () => {
  expect(namesOfSources(dist)).toEqual([]);
});

it('finds each form of one, where the compiler has left it', () => {
  const files = {
    'a.js': 'import { b } from \'./b.ts\';\nexport * from "../c.mts";\n',
    'deep/d.cjs':
      "// import('./e.ts')\n/* from './e.ts' */\nconst f = () => () => import('./g.ts');\nrequire(`./h.cts`);\n",
    'd.d.ts': "export * from './i.ts';\n",
    'templates/j.js': "import './k.ts';\n",
    'l.mjs': "import './m.js';\nimport n from 'o.ts';\n",
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  expect(namesOfSources(folder)).toEqual([
    'a.js:1: imports ./b.ts',
    'a.js:2: imports ../c.mts',
    'deep/d.cjs:3: imports ./g.ts',
    'deep/d.cjs:4: imports ./h.cts',
  ]);
});
