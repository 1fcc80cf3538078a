// SPDX-License-Identifier: MIT

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { defaultLoaders } from 'cosmiconfig';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');
const yaml = (path: string) => defaultLoaders['.yaml'](path, textOf(path));
const { name, scripts } = JSON.parse(textOf('package.json')) as { name: string; scripts: Record<string, string> };

describe('owners', () => {
  const lines = textOf('.github/CODEOWNERS')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

  it('are named for each folder of a vendor, and for nothing that is not there', () => {
    const paths = lines.map((line) => line.split(/\s+/)[0] ?? '');
    const vendors = readdirSync(join(root, 'quirks'), { withFileTypes: true }).filter((one) => one.isDirectory());
    expect(vendors.length).toBeGreaterThan(10);
    expect(paths).toEqual(expect.arrayContaining(vendors.map((vendor) => `/quirks/${vendor.name}/`)));
    expect(paths.filter((path) => path !== '*' && !existsSync(join(root, path)))).toEqual([]);
    for (const line of lines) expect(line).toMatch(/^\S+ +@[\w-]+(\/[\w-]+)?$/);
  });
});

describe('issue forms', () => {
  const forms = readdirSync(join(root, '.github/ISSUE_TEMPLATE'));

  it.each(forms)('%s is one that a forge can show', (form) => {
    const { name: title, description, body } = yaml(`.github/ISSUE_TEMPLATE/${form}`);
    expect([title, description]).toEqual([expect.stringMatching(/\w/), expect.stringMatching(/\w/)]);
    const asked = body.filter((one: { type: string }) => one.type !== 'markdown');
    const ids = asked.map((one: { id: string }) => one.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const one of body) expect(['markdown', 'input', 'textarea']).toContain(one.type);
    for (const { attributes } of asked) expect(attributes.label).toMatch(/\w/);
    expect(asked.some((one: { validations?: { required?: boolean } }) => one.validations?.required === true)).toBe(
      true,
    );
  });
});

describe('workflows', () => {
  it('run scripts that there are, and the tests on the same Nodes as npm run nodes', async () => {
    const files = readdirSync(join(root, '.github/workflows')).map((file) => `.github/workflows/${file}`);
    const run = files.flatMap((file) => [...textOf(file).matchAll(/npm run ([\w:]+)/g)].map((found) => found[1] ?? ''));
    expect(run.length).toBeGreaterThan(0);
    expect(run.filter((script) => !(script in scripts))).toEqual([]);
    const { versions } = (await import(/* @vite-ignore */ join(root, 'test/tools/nodes.mjs'))) as {
      versions: number[];
    };
    expect(yaml('.github/workflows/test.yml').jobs.test.strategy.matrix.node).toEqual(versions);
  });
});

/** What is wrong with a changeset; `undefined`: nothing. */
const complaint = (text: string): string | undefined => {
  const [, head = '', body = ''] = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(text) ?? [];
  const [, said, kind] = /^['"]?([\w@/-]+)['"]?: (patch|minor|major)$/.exec(head) ?? [];
  if (kind === undefined) return 'it does not say patch, minor or major';
  if (said !== name) return `there is no package ${said}`;
  return /\w/.test(body) ? undefined : 'it says nothing';
};

describe('changesets', () => {
  it('say what kind of change they are, for this package, in words', () => {
    const files = readdirSync(join(root, '.changeset')).filter((file) => file.endsWith('.md') && file !== 'README.md');
    expect(files.filter((file) => complaint(textOf(`.changeset/${file}`)) !== undefined)).toEqual([]);
    expect(JSON.parse(textOf('.changeset/config.json'))).toMatchObject({ baseBranch: 'main', access: 'public' });
    const shown = /^ {4}(---\n[\s\S]*?)\n\n`patch`/m.exec(textOf('.changeset/README.md'))?.[1] ?? '';
    expect(complaint(`${shown.replaceAll('\n    ', '\n')}\n`)).toBeUndefined();
  });

  it.each([
    ['pciback: minor\n\nWords.\n', 'does not say'],
    ['---\npciback: great\n---\n\nWords.\n', 'does not say'],
    ['---\npcifront: minor\n---\n\nWords.\n', 'no package pcifront'],
    ['---\npciback: minor\n---\n\n', 'says nothing'],
  ])('%j is refused', (text, why) => {
    expect(complaint(text)).toContain(why);
  });
});
