// SPDX-License-Identifier: MIT

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertAllTrusted, Inspected } from '../../../plugins/program/imports.ts';
import { type Onlooker, thisProcess } from '../../../plugins/trust.ts';

let home = '';
beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'pciback-imports-')));
});
afterEach(() => rmSync(home, { recursive: true }));

/** @param open whether others may write to it */
const write = (path: string, text: string, open: 'open' | 'closed' = 'closed'): string => {
  const file = join(home, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, open === 'open' ? 0o666 : 0o644);
  return file;
};

/** Only the mode counts here: everything belongs to root as far as this onlooker can see. */
const root = (looks: string[] = []): Onlooker => {
  const real = thisProcess();
  return {
    ...real,
    uid: 0,
    status: async (path) => {
      looks.push(path);
      const facts = await real.status(path);
      return { ...facts, uid: 0, mode: path.startsWith(`${home}/`) ? facts.mode : 0o755 };
    },
  };
};

const refused = (path: string, by: string) => ({
  code: 'CONFIG_UNTRUSTED',
  message: expect.stringContaining(`imported by ${by}`),
  facts: expect.objectContaining({ path }),
});

describe('what a plugin imports has to be trusted too', () => {
  it.each([
    ['a.mjs', `import { x } from './lib/open.mjs';`, 'lib/open.mjs'],
    ['a.mjs', `import './lib/open.mjs';`, 'lib/open.mjs'],
    ['a.mjs', `import x,{y}from"./lib/open.mjs";`, 'lib/open.mjs'],
    ['a.mjs', `export * from './lib/open.mjs';`, 'lib/open.mjs'],
    ['a.mjs', `export const late = () => import(/* webpackIgnore: true */ './lib/open.mjs');`, 'lib/open.mjs'],
    ['a.mjs', 'const late = await import(`./lib/open.mjs`);', 'lib/open.mjs'],
    ['a.mjs', `import data from './open.json' with { type: 'json' };`, 'open.json'],
    ['a.mjs', `import x from 'acme-lib';`, 'node_modules/acme-lib/in.mjs'],
    ['a.mjs', `import x from 'acme-lib/sub';`, 'node_modules/acme-lib/sub.mjs'],
    ['a.mjs', `new Worker(new URL('./thread.mjs', import.meta.url));`, 'thread.mjs'],
    ['a.cjs', `const x = require('./lib/open');`, 'lib/open.js'],
    ['a.cjs', `const x = require('acme-lib');`, 'node_modules/acme-lib/in.cjs'],
    ['a.cjs', `const x = require(require.resolve('./lib/open.js'));`, 'lib/open.js'],
    ['a.ts', `import { x } from './lib/open';`, 'lib/open.ts'],
    ['a.ts', `import type { X } from './lib/open.js'; import { y } from './folder';`, 'folder/index.ts'],
    ['a.ts', `import { x } from './only.js';`, 'only.ts'],
  ])('%s: %s', async (name, text, open) => {
    write(
      'node_modules/acme-lib/package.json',
      JSON.stringify({
        name: 'acme-lib',
        exports: { '.': { import: './in.mjs', require: './in.cjs' }, './sub': './sub.mjs' },
      }),
    );
    for (const one of ['node_modules/acme-lib/in.mjs', 'node_modules/acme-lib/in.cjs', 'node_modules/acme-lib/sub.mjs'])
      write(one, '');
    for (const one of ['lib/open.mjs', 'lib/open.js', 'lib/open.ts', 'folder/index.ts', 'only.ts', 'thread.mjs'])
      write(one, '');
    write('open.json', '{}');
    const file = write(name, text);
    await assertAllTrusted(file, root());
    chmodSync(join(home, open), 0o666);
    await expect(assertAllTrusted(file, root())).rejects.toMatchObject(refused(join(home, open), file));
    // Nobody else's file matters to somebody who is not root.
    await assertAllTrusted(file, { ...root(), uid: 1000 });
  });

  it('through any number of files, also in a circle, and through links', async () => {
    write('real/c.mjs', `import '../a.mjs'; import './d.mjs';`);
    const last = write('real/d.mjs', '', 'open');
    write('b.mjs', `import './linked/c.mjs';`);
    symlinkSync('real', join(home, 'linked'));
    const file = write('a.mjs', `import './b.mjs';`);
    await expect(assertAllTrusted(file, root())).rejects.toMatchObject({
      code: 'CONFIG_UNTRUSTED',
      facts: { path: last },
    });
    chmodSync(last, 0o644);
    await assertAllTrusted(file, root());
    chmodSync(join(home, 'real'), 0o777);
    await expect(assertAllTrusted(file, root())).rejects.toMatchObject({ facts: { path: join(home, 'real') } });
  });

  it('and the package.json that says where a package is entered', async () => {
    write('node_modules/acme-lib/in.mjs', '');
    const json = write('node_modules/acme-lib/package.json', '{ "name": "acme-lib", "exports": "./in.mjs" }', 'open');
    const file = write('a.mjs', `import 'acme-lib';`);
    await expect(assertAllTrusted(file, root())).rejects.toMatchObject({ facts: { path: json } });
  });

  it('what is not there, builtin modules, and this very pciback are left out', async () => {
    const link = join(home, 'node_modules/pciback');
    mkdirSync(dirname(link));
    symlinkSync(resolve(import.meta.dirname, '../../..'), link);
    const text = `import 'node:fs'; import 'path'; import 'not-there'; import './nor-this.mjs'; import 'pciback/plugin';
      const page = 'from https://example.com/x'; import data from 'data:text/javascript,1';`;
    const looks: string[] = [];
    await assertAllTrusted(write('a.mjs', text), root(looks));
    expect([...new Set(looks)].filter((path) => path.startsWith(`${home}/`))).toEqual([join(home, 'a.mjs')]);
  });

  it('a pipe that is named like code is not waited for', async () => {
    execFileSync('mkfifo', [join(home, 'pipe.mjs')]);
    await assertAllTrusted(write('a.mjs', `import './pipe.mjs';`), root());
    await assertAllTrusted(join(home, 'pipe.mjs'), root());
  });

  it('a file that several import is looked at once, and refused to each of them', async () => {
    const open = write('open.mjs', '', 'open');
    const files = ['a.mjs', 'b.mjs'].map((name) => write(name, `import './open.mjs';`));
    const looks: string[] = [];
    const inspected = new Inspected();
    const all = await Promise.allSettled(files.map((file) => assertAllTrusted(file, root(looks), inspected)));
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(looks.filter((path) => path === open)).toHaveLength(1);
  });
});
