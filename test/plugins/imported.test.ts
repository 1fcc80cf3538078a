// SPDX-License-Identifier: MIT

import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filesOf } from '../../plugins/imported.ts';

let home = '';
beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'pciback-imported-')));
});
afterEach(() => rmSync(home, { recursive: true }));

const write = (path: string, text: string): string => {
  const file = join(home, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
};
const found = async (entry: string): Promise<readonly string[]> =>
  (await filesOf(entry)).map((file) => file.slice(home.length + 1));

describe('the files that a file imports', () => {
  it('are named by imports, requires and threads, also without an ending, and through others', async () => {
    write('lib/b.ts', `import data from '../data.json' with { type: 'json' };`);
    write('data.json', '{}');
    write('thread.mjs', '');
    write('c.cjs', `require('./lib/d');`);
    write('lib/d.js', '');
    const entry = write(
      'a.ts',
      `import './lib/b'; import './c.cjs'; new Worker(new URL('./thread.mjs', import.meta.url));`,
    );
    expect(await found(entry)).toEqual(['a.ts', 'lib/b.ts', 'c.cjs', 'thread.mjs', 'data.json', 'lib/d.js']);
  });

  it('lie where links lead, which is what the engine knows them by', async () => {
    write('real/b.mjs', `import './c.mjs';`);
    write('real/c.mjs', '');
    mkdirSync(join(home, 'node_modules'));
    symlinkSync('../real', join(home, 'node_modules/acme'));
    write('real/package.json', '{ "name": "acme", "exports": "./b.mjs" }');
    expect(await found(write('a.mjs', `import 'acme';`))).toEqual(['a.mjs', 'real/b.mjs', 'real/c.mjs']);
  });

  it('may be named by address; those of this very pciback are not looked into', async () => {
    const address = (path: string): string => pathToFileURL(path).href;
    write('b.mjs', '');
    const own = address(join(import.meta.dirname, '../../package.json'));
    const text = `import '${address(join(home, 'b.mjs'))}'; import '${own}'; import 'file:///a%2Fb.mjs'; import 'file:///gone.mjs';`;
    expect(await found(write('a.mjs', text))).toEqual(['a.mjs', 'b.mjs']);
  });

  it('are not the doors of pciback, the engine’s own, what is not there, or addresses of another kind', async () => {
    write('node_modules/zod/index.js', '');
    write('node_modules/pciback/index.js', '');
    const text = `import 'zod'; import 'pciback'; import 'pciback/plugin'; import 'node:fs'; import './gone.mjs'; import 'gone';
      import 'data:text/javascript,1'; // from 'file://host/a.mjs', from 'https://example.com/x.mjs'`;
    expect(await found(write('a.mjs', text))).toEqual(['a.mjs']);
    expect(await found(join(home, 'gone.mjs'))).toEqual(['gone.mjs']);
  });
});
