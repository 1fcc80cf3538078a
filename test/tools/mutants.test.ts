// SPDX-License-Identifier: MIT

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** The tools of the tests are plain JavaScript; this is the part of them that is used here. */
interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  readonly tests: readonly string[];
  readonly why: string;
}
interface Tool {
  mutated(text: string, mutant: Mutant): string;
}
const load = (file: string): Promise<unknown> => import(/* @vite-ignore */ join(import.meta.dirname, file));
const { mutated } = (await load('mutants.mjs')) as Tool;
const { mutants } = (await load('mutants/list.mjs')) as { readonly mutants: readonly Mutant[] };

describe('the mutants of core (npm run mutants)', () => {
  it.each(mutants.map((mutant) => [mutant.file, mutant.name, mutant] as const))('%s: %s', (file, _, mutant) => {
    const sound = readFileSync(join(root, file), 'utf8');
    expect(mutated(sound, mutant)).not.toBe(sound);
    expect(mutant.why).not.toBe('');
    expect(mutant.tests.filter((test) => !existsSync(join(root, test)))).toEqual([]);
    expect(mutant.tests).not.toEqual([]);
  });

  it('have names of their own', () => {
    const names = mutants.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  it('are in every folder of core that has more than interfaces', () => {
    const onlyInterfaces = ['platform'];
    const folders = readdirSync(join(root, 'core'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const mutatedFolders = new Set(mutants.map(({ file }) => file.split('/')[1]));
    expect(
      folders.map(({ name }) => name).filter((name) => !mutatedFolders.has(name) && !onlyInterfaces.includes(name)),
    ).toEqual([]);
  });

  it('that fit nowhere, or at several places, are refused', () => {
    const mutant = { name: 'a', file: 'a.ts', find: 'x', replace: 'y', tests: ['b'], why: 'c' };
    expect(mutated('one x', mutant)).toBe('one y');
    expect(() => mutated('one', mutant)).toThrow('a: its text is there 0 times, not once');
    expect(() => mutated('x x', mutant)).toThrow('a: its text is there 2 times, not once');
  });
});
