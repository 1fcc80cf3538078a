// SPDX-License-Identifier: MIT
// After `tsc`: puts what `pciback serve` needs into a few files, because each file that is imported costs as much
// time as running it. The other files of dist/ stay. A module of core keeps its file too, which hands on what lies in
// the bundle: a plugin that imports `pciback/plugin` shares its modules with the command.

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { rolldown } from 'rolldown';

const PROJECT = resolve(import.meta.dirname, '../..');
const DIST = join(PROJECT, 'dist');
const CHUNKS = 'chunks';
const MAIN = 'plugins/commands/main.js';

const inDist = (id) => (id.startsWith(`${DIST}/`) ? relative(DIST, id) : '');

/** Loaded by their own means, or too seldom to be carried along. */
const APART = [/^(koffi|ffi-napi|jiti|pino|typescript)$/, /(platforms\/xen|native\/[a-z-]+)\/index\.js$/];

/** Modules that make zod's schemas; the answering thread does without. */
const SCHEMAS = /^core\/(config\/keys|space\/quirk-json)\.js$/;
/** What the answering thread begins with; it has a foreign-function loader of its own, which needs the last two. */
const LANE = /^core\/(lane\/(index|thread)|platform\/index|errors\/index)\.js$/;
/** The schema of the whole rc file is made for an error message only. */
const SELDOM = /^core\/config\/(schema|describe)\.js$/;

const CORE_PACKAGES = /\/node_modules\/(semver|tapable|fastest-levenshtein)\//;
const RC_PACKAGES = /\/node_modules\/(?!zod\/|commander\/)/;

/** Other commands have files of their own; so has the entry, which waits at its top level for the others. */
const AT_START = /^(plugins|quirks)\/(?!commands\/(main|(?!serve-)[a-z-]+-(run|report|offline))\.js$)/;

/** The first that fits. Parts of one are loaded together. */
const groups = [
  // With all that they import: the answering thread reads no more than this.
  { name: 'lane', test: (id) => LANE.test(inDist(id)) },
  {
    name: 'core',
    test: (id) =>
      CORE_PACKAGES.test(id) ||
      (inDist(id).startsWith('core/') && !SCHEMAS.test(inDist(id)) && !SELDOM.test(inDist(id))),
  },
  { name: 'schemas', test: (id) => id.includes('/node_modules/zod/') || SCHEMAS.test(inDist(id)) },
  { name: 'rc', test: (id) => RC_PACKAGES.test(id) },
  {
    name: 'serve',
    test: (id) => id.includes('/node_modules/commander/') || AT_START.test(inDist(id)),
  },
];

/** Where a start imports on demand what it always demands. */
const DEMANDING = /^plugins\/(bundled|commands\/(main|serve|serve-run)|platforms\/embedded\/plugin)\.js$/;

/** Turns those imports into ordinary ones: in the bundle nothing is saved by importing late. */
const atHand = {
  name: 'at-hand',
  transform(code, id) {
    if (!DEMANDING.test(inDist(id))) return undefined;
    const imports = [];
    const lines = code.split('\n').map((line) =>
      line.includes('byDefault: false')
        ? line
        : line.replace(/\bimport\("(\.[^"]+)"\)/g, (_whole, name) => {
            const local = `atHand${imports.length}`;
            imports.push(`import * as ${local} from "${name}";`);
            return `Promise.resolve(${local})`;
          }),
    );
    return { code: `${lines.join('\n')}\n${imports.join('\n')}\n` };
  },
};

/** A script of ASCII alone is half as long in memory, and read in half the time. */
const asAscii = (code) =>
  code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** The licences of the packages that the bundle carries. */
const licences = (modules) => {
  const packages = new Set(modules.flatMap((id) => /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1] ?? []));
  const texts = [...packages].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? `License: ${license}\n` : readFileSync(join(folder, file), 'utf8');
    return `${name} ${version}\n\n${text.trim()}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
};

/** Bundles dist/ in its place. To be called once after each run of the compiler: it reads what that wrote. */
export const bundle = async () => {
  rmSync(join(DIST, CHUNKS), { recursive: true, force: true });
  const core = readdirSync(join(DIST, 'core'), { recursive: true })
    // The compiler leaves what it wrote for a source that is gone.
    .filter((file) => file.endsWith('.js') && existsSync(join(PROJECT, 'core', file.replace(/\.js$/, '.ts'))))
    .map((file) => `core/${file}`);
  const build = await rolldown({
    cwd: PROJECT,
    platform: 'node',
    input: Object.fromEntries([...core, MAIN].map((file) => [file.slice(0, -'.js'.length), join(DIST, file)])),
    external: APART,
    plugins: [atHand],
    onLog: (level, log, handle) => {
      if (log.code !== 'INEFFECTIVE_DYNAMIC_IMPORT') handle(level, log);
    },
  });
  const { output } = await build.write({
    dir: DIST,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: `${CHUNKS}/[name].js`,
    codeSplitting: { groups },
    // Names stay, so that the stack of an error says where it came from.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  for (const { fileName, code } of output) {
    writeFileSync(join(DIST, fileName), asAscii(code));
    // What the compiler wrote beside it is about other lines.
    rmSync(join(DIST, `${fileName}.map`), { force: true });
  }
  const carried = output.flatMap(({ modules }) => Object.keys(modules));
  writeFileSync(join(DIST, CHUNKS, 'LICENSES.txt'), licences(carried));
};
