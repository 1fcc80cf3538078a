// SPDX-License-Identifier: MIT

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { catalogue, type ErrorCode, problem } from '../../plugins/errors.ts';

const root = resolve(import.meta.dirname, '../..');
const sources = ['core', 'plugins', 'quirks']
  .flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, encoding: 'utf8' }).map((name) => join(root, top, name)),
  )
  .filter((file) => file.endsWith('.ts') && !/(errors\/catalogue|plugins\/errors)\.ts$/.test(file));
const text = sources.map((file) => readFileSync(file, 'utf8')).join('\n');
const codes = Object.keys(catalogue) as ErrorCode[];

/** Facts of any shape: each is a text that can be found again. */
const facts = new Proxy(
  {},
  {
    get: (_target, key) =>
      ['tried', 'known', 'names', 'keys', 'left', 'held', 'uses', 'shares'].includes(String(key))
        ? [`<${String(key)}>`]
        : `<${String(key)}>`,
  },
);

describe('the catalogue', () => {
  it.each(codes)('%s is thrown somewhere', (code) => {
    expect(new RegExp(`(fail|problem)\\(\\s*'${code}'`).test(text), `no source has fail('${code}'`).toBe(true);
  });

  it('has every code that is thrown or asked for', () => {
    const thrown = [...text.matchAll(/\b(?:fail|problem)\(\s*'([A-Z_]+)'/g)].map((match) => match[1] ?? '');
    expect(thrown.length).toBeGreaterThan(20);
    const asked = [...text.matchAll(/\bisPcibackError\([\w.]+, '([A-Z_]+)'/g)].map((match) => match[1] ?? '');
    expect(asked.length).toBeGreaterThan(5);
    expect([...thrown, ...asked].filter((code) => !(code in catalogue))).toEqual([]);
  });

  it.each(codes)('%s says what is wrong and what to do', (code) => {
    const error = problem(code, facts as never);
    expect(error.message).toMatch(/<\w+>/);
    expect(error.message).not.toMatch(/undefined|\[object/);
    expect(error.solve).toMatch(/^(<\w+>|.{15,})/);
    expect(error.solve).not.toMatch(/undefined|\[object/);
    expect(error.code).toBe(code);
  });
});

describe('advice', () => {
  const advice = codes.map((code) => [code, problem(code, facts as never).solve] as const);
  const commands = new Set([...text.matchAll(/\bname: '([a-z-]+)',\n\s+summary:/g)].map((match) => match[1]));
  const options = new Set([
    '--help',
    ...[...text.matchAll(/\bflags: '(?:-\w, )?(--[a-z-]+)/g)].map((match) => match[1]),
  ]);

  it.each(advice)('of %s names commands, options and pages that are there', (_code, solve) => {
    expect(commands.size).toBeGreaterThan(8);
    const named = [...solve.matchAll(/`(?:sudo )?pciback ([a-z-]+)/g)].map((match) => match[1]);
    expect(named.filter((name) => !commands.has(name))).toEqual([]);
    const flags = [...solve.matchAll(/--[a-z-]+/g)].map(([flag]) => flag);
    expect(flags.filter((flag) => !options.has(flag))).toEqual([]);
    const docs = [...solve.matchAll(/\bdocs\/[\w-]+(?:\/[\w-]+)*(?:\.md)?/g)].map(([page]) => page);
    expect(docs.filter((page) => !existsSync(join(root, page)))).toEqual([]);
  });
});
