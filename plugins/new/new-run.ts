// SPDX-License-Identifier: MIT

import { readFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { hex } from '../../core/bdf.ts';
import { columns } from '../columns.ts';
import { fail } from '../errors.ts';
import type { CommandContext } from '../kinds/command.ts';
import { ownPackage } from '../package-folder.ts';
import { codeFiles, type Sources } from './code-files.ts';
import { type DumpFacts, dumpTextOf, factsOfDump } from './dump-facts.ts';
import { type Lesson, learnFrom } from './lesson.ts';
import { type KindOfPackage, kindOf, type Names, namesOf } from './names.ts';
import { writeFolder } from './own-folder.ts';
import { type PackageTerms, packageFiles } from './package-files.ts';

const usage = (what: string): never => fail('USAGE', { what, nearest: undefined });

const textOf = (value: CommandContext['options'][string]): string | undefined =>
  typeof value === 'string' ? value : undefined;

/** Ranges of packages that pciback was built and tested with. */
const rangesOf = async (folder: string): Promise<PackageTerms['ranges']> => {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(
    await readFile(join(folder, 'package.json'), 'utf8'),
  ) as Readonly<Record<'dependencies' | 'devDependencies', Readonly<Record<string, string>>>>;
  const rangeOf = (name: string): string => dependencies[name] ?? devDependencies[name] ?? '*';
  return { typescript: rangeOf('typescript'), '@types/node': rangeOf('@types/node'), zod: rangeOf('zod') };
};

const whatFiles: Readonly<Record<string, string>> = {
  'src/index.ts': 'the code',
  'quirk.json': 'the quirk',
  'test/index.test.ts': 'its test, on a whole host',
  'test/quirk.test.mjs': 'its test, on a whole host',
  'test/device.txt': 'the device of the test, a dump',
  'test/session.log': 'what the driver did: the test does it again',
  '.github/workflows/test.yml': 'runs the test on Node.js 20, 22, 24 and 26',
};

const printFacts = ({ registers, quirks }: DumpFacts, { quirk }: Names, print: (line: string) => void): void => {
  const shown = registers.map(({ offset, value }) => [`  0x${hex(offset, 2)}`, `0x${hex(value, 8)}`]);
  print('registers that nobody has named, read-only until you open bits of them:');
  for (const line of columns(shown)) print(line);
  if (quirks.length === 0) return;
  print(`bundled for this device already: ${quirks.join(', ')}`);
  if (quirks.includes(quirk)) print(`  ${quirk} takes the place of the bundled quirk of that name`);
};

const printLesson = ({ from, registers }: Lesson, print: (line: string) => void): void => {
  print(`bits that the driver of ${from} changed and that nobody has, now writable:`);
  for (const line of columns(registers.map(({ offset, mask }) => [`  ${offset}`, mask]))) print(line);
};

/** @throws PcibackError `USAGE`, and what the files are refused for */
const sourcesOf = async (
  context: CommandContext,
  kind: KindOfPackage,
  { quirk }: Names,
  form: 'code' | 'data',
): Promise<Sources> => {
  const { options } = context;
  const [dump, trace, device] = [options.fromDump, options.fromTrace, options.device].map(textOf);
  if (kind !== 'quirk' && form === 'data') usage(`a ${kind} is code: only a quirk can be data`);
  if (kind !== 'quirk' && dump !== undefined) usage(`a ${kind} is for no single device: --from-dump is for quirks`);
  if (kind !== 'quirk' && trace !== undefined) usage(`a ${kind} is for no single device: --from-trace is for quirks`);
  if (device !== undefined && (dump ?? trace) === undefined)
    usage('--device chooses a function of --from-dump or --from-trace, which is missing');
  const file = dump === undefined ? undefined : resolve(dump);
  if (trace === undefined)
    return { facts: file === undefined ? undefined : await factsOfDump(file, device), lesson: undefined };
  const terms = { trace: resolve(trace), dump: file, device, name: quirk, form };
  const learned = await learnFrom(context, terms);
  return {
    facts: undefined,
    lesson: { ...learned, dump: file === undefined ? undefined : await dumpTextOf(file, device) },
  };
};

/**
 * Writes a new package.
 *
 * @returns 0
 * @throws PcibackError `USAGE`, `NEW_FOLDER`, and what a dump is refused for; nothing is written then
 */
export const runNew = async (context: CommandContext): Promise<number> => {
  const { options, print } = context;
  const [kindText = '', nameText = '', folderText] = context.arguments;
  const kind = kindOf(kindText);
  const names = namesOf(nameText, kind);
  const form = options.json === true ? 'data' : 'code';
  const { facts, lesson } = await sourcesOf(context, kind, names, form);
  const folder = resolve(folderText ?? basename(names.package));
  const code = await codeFiles(kind, names, form, { facts, lesson });
  const { folder: own, version } = ownPackage();
  const needsZod = Object.values(code).some((text) => text.includes(`from 'zod'`));
  const terms: PackageTerms = {
    kind,
    names,
    form,
    version,
    ranges: await rangesOf(own),
    needsZod,
    session: lesson !== undefined,
  };
  const files = { ...code, ...packageFiles(terms) };
  await writeFolder(folder, files);
  const where = relative(process.cwd(), folder);
  print(`${names.package}, in ${where === '' ? 'this folder' : where}:`);
  for (const line of columns(
    Object.keys(files)
      .sort()
      .map((path) => [`  ${path}`, whatFiles[path] ?? '']),
  )) {
    print(line.trimEnd());
  }
  if (facts !== undefined) printFacts(facts, names, print);
  if (lesson !== undefined) printLesson(lesson, print);
  print(`next: ${where === '' ? '' : `cd ${where} && `}npm install && npm test`);
  return 0;
};
