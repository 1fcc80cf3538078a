// SPDX-License-Identifier: MIT

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** The tools of the build are plain JavaScript; this is the part of them that is used here. */
interface Bundling {
  replaced(code: string, pattern: RegExp | string, by: string, where: string): string;
  withoutFaces(code: string, where: string): string;
}
interface Keeping {
  keepCompiled(dist: string, main: string, late: readonly string[], limit?: number): void;
}
const load = (file: string): Promise<unknown> => import(/* @vite-ignore */ join(import.meta.dirname, file));
const { replaced, withoutFaces } = (await load('bundle.mjs')) as Bundling;
const { keepCompiled } = (await load('cached-chunks.mjs')) as Keeping;

describe('what the bundle has written differently', () => {
  it('is refused where nothing fits any more', () => {
    expect(replaced('one two', /two/, 'three', 'a.js')).toBe('one three');
    expect(() => replaced('one two', /four/, 'three', 'a.js')).toThrow('a.js: nothing fits /four/ any more');
  });

  it('are all imports of modules of Node’s own', () => {
    expect(withoutFaces('import{a as b}from"node:fs";import{c}from"./c.js";b(c);', 'a.js')).toBe(
      'import{c}from"./c.js";const{a:b}=process.getBuiltinModule("node:fs");b(c);',
    );
    expect(() => withoutFaces('import b from"node:fs";b();', 'a.js')).toThrow('a.js: an import of another form');
    expect(() => withoutFaces('import"node:fs";', 'a.js')).toThrow('a.js: an import of another form');
  });
});

describe('the trial of what was built', () => {
  let dist = '';
  const write = (file: string, text: string): string => {
    const path = join(dist, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  /** A build that serves and has taken two chunks from their caches. */
  beforeEach(() => {
    dist = mkdtempSync(join(tmpdir(), 'pciback-dist-'));
    write('package.json', '{ "type": "module" }');
    write('core/code-cache.js', 'export const compiledChunks = [{ isCached: true }, { isCached: true }];');
    write('chunks/serve.js', '');
    write('chunks/good.cjs', 'module.exports = 1;');
    write('chunks/bad.cjs', 'throw new Error("it has lost its helpers");');
  });
  afterEach(() => rmSync(dist, { recursive: true }));

  it('loads the packages that are loaded late', () => {
    const main = write('main.js', '');
    expect(() => keepCompiled(dist, main, ['good'])).not.toThrow();
    expect(() => keepCompiled(dist, main, ['good', 'bad'])).toThrow(/it has lost its helpers/);
    expect(() => keepCompiled(dist, main, ['missing'])).toThrow(/missing\.cjs/);
  });

  it('refuses chunks that are compiled anew', () => {
    write('core/code-cache.js', 'export const compiledChunks = [{ isCached: true }, { isCached: false }];');
    expect(() => keepCompiled(dist, write('main.js', ''), [])).toThrow(/not taken: true,false/);
  });

  it('says why there was no answer, also when nothing was printed', () => {
    expect(() => keepCompiled(dist, write('main.js', 'setInterval(() => {}, 1000);'), [], 300)).toThrow(
      /does not serve: .*ETIMEDOUT\nended by SIGTERM/,
    );
    const failing = write('main.js', 'console.error("no platform"); process.exit(1);');
    expect(() => keepCompiled(dist, failing, [])).toThrow(/does not serve: no platform/);
  });
});
