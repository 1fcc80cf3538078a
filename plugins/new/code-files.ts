// SPDX-License-Identifier: MIT

import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hex } from '../../core/bdf.ts';
import { API_VERSION } from '../../core/plugin/index.ts';
import { ownPackage } from '../package-folder.ts';
import type { DumpFacts } from './dump-facts.ts';
import type { Lesson } from './lesson.ts';
import type { KindOfPackage, Names } from './names.ts';

type Files = Readonly<Record<string, string>>;

/** The templates are packages of their own: they are not compiled with pciback, and lie in it as they were written. */
const templates = (): string => {
  const { folder } = ownPackage();
  const places = ['plugins', 'dist/plugins'].map((above) => join(folder, above, 'new/templates'));
  const found = places.find((place) => existsSync(place));
  if (found === undefined) throw new Error(`the templates of pciback are not there: ${places.join(', ')}`);
  return found;
};

const filesUnder = async (folder: string): Promise<Files> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(
      files.map(async (file) => [file.slice(folder.length + 1), await readFile(file, 'utf8')] as const),
    ),
  );
};

/** The names that stand in the templates, in the order in which they are replaced. */
const renamed = (text: string, names: Names): string =>
  text
    .replaceAll('pciback-acme-thing', names.package)
    .replaceAll('acme/thing', names.quirk)
    .replaceAll(`'thing'`, `'${names.word}'`)
    .replaceAll('../../shared/guest.js', './guest.js')
    .replaceAll(/api: '\^\d+\.\d+'/g, `api: '^${API_VERSION.split('.', 2).join('.')}'`);

const nameOf = (offset: number): string => `register 0x${hex(offset, 2)}`;

/** The accesses of the template's test, for registers that the guest may only read. */
const accessesOf = ({ registers }: DumpFacts): string =>
  registers
    .map(({ offset, value }) => `      { read: 0x${hex(offset, 2)}, size: 4, shows: 0x${hex(value, 8)} },\n`)
    .join('');

const codeOf = ({ vendor, device, registers }: DumpFacts, names: Names): string =>
  [
    '// SPDX-License-Identifier: MIT',
    '',
    `import { defineQuirk, ids, register } from 'pciback/quirk';`,
    '',
    'export default defineQuirk({',
    `  name: '${names.quirk}',`,
    `  source: 'a dump of the device; name the data sheet, erratum or driver that the registers are from',`,
    `  match: ids('${hex(vendor, 4)}', ['${hex(device, 4)}']),`,
    '  fields: [',
    '    // What nobody has named, as the dump shows it. A driver that writes bits of one needs .writable(bits) before .readOnly().',
    ...registers.map(
      ({ offset, value }) =>
        `    register(0x${hex(offset, 2)}, 32, '${nameOf(offset)}').readOnly(), // 0x${hex(value, 8)}`,
    ),
    '  ],',
    '});',
    '',
  ].join('\n');

const dataOf = ({ vendor, device, registers }: DumpFacts, names: Names): string => {
  const quirk = {
    name: names.quirk,
    source: 'a dump of the device; name the data sheet, erratum or driver that the registers are from',
    match: [{ vendor: hex(vendor, 4), device: hex(device, 4) }],
    fields: registers.map(({ offset }) => ({
      offset: `0x${hex(offset, 2)}`,
      width: 32,
      name: nameOf(offset),
      readOnly: '0xffffffff',
    })),
  };
  return `${JSON.stringify(quirk, undefined, 2)}\n`;
};

const withAccesses = (test: string, facts: DumpFacts): string =>
  test.replace(/^ +\{ write: .*\n(?: +\{ write: .*\n)*/m, accessesOf(facts));

/** The test with a session in place of accesses; the device is as the session shows it, or as its dump says. */
const withSession = (test: string, { dump }: Lesson): string =>
  test.replace(
    /^( +)dump: (.*)device\.txt('.*?\)),.*\n +accesses: \[[\s\S]*?\n +\],\n/m,
    (_all, indent, before, after) =>
      [
        ...(dump === undefined ? [] : [`${indent}dump: ${before}device.txt${after},\n`]),
        `${indent}session: ${before}session.log${after}, // in which everything worked: each access is made again\n`,
      ].join(''),
  );

/** What a package is made from beside its templates. */
export interface Sources {
  readonly facts: DumpFacts | undefined;
  readonly lesson: Lesson | undefined;
}

/** What a new package has of code: its own, with the device of a dump, or learned from a session. */
export const codeFiles = async (
  kind: KindOfPackage,
  names: Names,
  form: 'code' | 'data',
  { facts, lesson }: Sources,
): Promise<Files> => {
  const from = templates();
  const [own, shared] = await Promise.all([
    filesUnder(join(from, form === 'data' ? 'json' : kind)),
    filesUnder(join(from, 'shared')),
  ]);
  const files: Record<string, string> = { ...own, 'test/device.txt': facts?.text ?? shared['device.txt'] ?? '' };
  if (Object.values(own).some((text) => text.includes('shared/guest.js')))
    files['test/guest.ts'] = shared['guest.ts'] ?? '';
  for (const [path, text] of Object.entries(files)) if (path !== 'test/device.txt') files[path] = renamed(text, names);
  const test = form === 'data' ? 'test/quirk.test.mjs' : 'test/index.test.ts';
  if (lesson !== undefined) {
    files[test] = withSession(files[test] ?? '', lesson);
    files['test/session.log'] = lesson.session;
    if (form === 'data') files['quirk.json'] = lesson.quirk;
    else files['src/index.ts'] = `// SPDX-License-Identifier: MIT\n\n${lesson.quirk}`;
    if (lesson.dump === undefined) delete files['test/device.txt'];
    else files['test/device.txt'] = lesson.dump;
  }
  if (facts === undefined) return files;
  files[test] = withAccesses(files[test] ?? '', facts);
  if (form === 'data') files['quirk.json'] = dataOf(facts, names);
  else files['src/index.ts'] = codeOf(facts, names);
  return files;
};
