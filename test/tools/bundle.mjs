// SPDX-License-Identifier: MIT
// After `tsc`: puts what `pciback serve` needs into a few files, because each file that is imported costs as much
// time as running it. The other files of dist/ stay. A module of core keeps its file too, which hands on what lies in
// the bundle: a plugin that imports `pciback/plugin` shares its modules with the command.

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative, resolve } from 'node:path';
import { rolldown } from 'rolldown';
import { splitChunk } from './cached-chunks.mjs';

const require = createRequire(import.meta.url);
const PROJECT = resolve(import.meta.dirname, '../..');
const DIST = join(PROJECT, 'dist');
const CHUNKS = 'chunks';
const MAIN = 'plugins/commands/main.js';

const inDist = (id) => (id.startsWith(`${DIST}/`) ? relative(DIST, id) : '');

/** Loaded by their own means, or too seldom to be carried along. */
const APART = [/^(koffi|ffi-napi|jiti|pino|typescript)$/, /(platforms\/xen|native\/[a-z-]+)\/index\.js$/];

/** Modules that make zod's schemas; a start does without where it can, and so does the answering thread. */
const SCHEMAS = /^core\/(config\/(keys|schema)|space\/quirk-json)\.js$/;
/** Plugins with schemas, or with what has one, that are seldom wanted: each has a file of its own. */
const WANTED = /^plugins\/(fields\/hide|policies\/learn|interrupts\/rate-limits)\.js$/;
/** Command lines that are not plain. */
const PARSER = /^plugins\/commands\/parser\.js$/;
/** What the answering thread shares with the rest; it has a foreign-function loader of its own, which needs the errors. */
const BASE = /^core\/(lane\/watch-window|platform\/index|errors\/index|ring\/index)\.js$/;
const LANE = /^core\/lane\/(index|thread)\.js$/;
/** Versions that are not plain. */
const RANGES = /^core\/plugin\/semver-range\.js$|\/node_modules\/semver\//;
/** Opened when guests are served, or when a command asks a running pciback. */
const CONTROL = /^core\/control\//;
/** For the reference only. */
const SELDOM = /^core\/config\/describe\.js$/;

const CORE_PACKAGES = /\/node_modules\/(tapable|fastest-levenshtein|cosmiconfig|env-paths)\//;

/** Other commands have files of their own; so has the entry, which waits at its top level for the others. */
const AT_START = /^(plugins|quirks)\/(?!commands\/(main|(?!serve-)[a-z-]+-(run|report|offline))\.js$)/;

const within = (form) => (id) => form.test(inDist(id));

/** The first that fits, with all that it imports and no earlier one has. */
const groups = [
  { name: 'base', test: (id) => id.includes('rolldown/runtime') || BASE.test(inDist(id)) },
  { name: 'lane', test: within(LANE) },
  { name: 'ranges', test: (id) => RANGES.test(id) || RANGES.test(inDist(id)) },
  {
    name: 'core',
    test: (id) =>
      CORE_PACKAGES.test(id) ||
      (inDist(id).startsWith('core/') && ![SCHEMAS, SELDOM, CONTROL].some((form) => form.test(inDist(id)))),
  },
  { name: 'control', test: within(CONTROL) },
  { name: 'serve', test: (id) => AT_START.test(inDist(id)) && !WANTED.test(inDist(id)) && !PARSER.test(inDist(id)) },
  { name: 'schemas', test: (id) => id.includes('/node_modules/zod/') || SCHEMAS.test(inDist(id)) },
  { name: 'parser', test: (id) => id.includes('/node_modules/commander/') || PARSER.test(inDist(id)) },
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
      line.includes('byDefault: false') || line.includes('/core/control/')
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

/** What cosmiconfig loads when a file is of a kind that needs it; it wants them at once, so they are CommonJS. */
export const LATE = ['js-yaml', 'parse-json', 'import-fresh'];

/**
 * Of the packages, what a start uses: cosmiconfig is run when an rc file is there, its loaders when the file is of their
 * kind; tapable's hooks are those that hooks are made of.
 */
const sparing = {
  name: 'sparing',
  resolveId(source, importer = '') {
    if (importer.includes('/cosmiconfig/') && LATE.includes(source)) return { id: `./${source}.cjs`, external: true };
    return undefined;
  },
  transform(code, id) {
    if (inDist(id) === 'core/config/load.js') {
      return { code: code.replace(/\bimport\('cosmiconfig'\)/, 'Promise.resolve(require("cosmiconfig"))') };
    }
    if (id.endsWith('/cosmiconfig/dist/loaders.js')) {
      // For the name of a file that is written beside a TypeScript one, which pciback loads by other means.
      return { code: code.replace(/^const crypto_1 = .*$/m, '').replaceAll('crypto_1', 'require("crypto")') };
    }
    if (id.endsWith('/tapable/lib/index.js')) {
      return { code: code.replace(/^module\.exports\.(?!(Sync|AsyncSeries)(Bail)?Hook ).*Hook.* = require.*$/gm, '') };
    }
    return undefined;
  },
};

/** A script of ASCII alone is half as long in memory, and read in half the time. */
const asAscii = (code) =>
  code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * An import of a module of Node's own has it make a second face of the module, for which it loads all that the module
 * would otherwise load when it is used: streams with `fs`, and more.
 */
const withoutFaces = (code) =>
  code.replace(/^((?:import[^;]*;)*)/, (imports) => {
    const own = [];
    const others = imports.replace(/import\{([^}]*)\}from("node:[^"]+");/g, (_whole, names, module) => {
      own.push(`const{${names.replace(/ as /g, ':')}}=process.getBuiltinModule(${module});`);
      return '';
    });
    return others + own.join('');
  });

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

/** The chunks that a start is made of, but for the small one that the answering thread has too. */
const CACHED = ['core', 'serve'];

/** Bundles dist/ in its place. To be called once after each run of the compiler: it reads what that wrote. */
export const bundle = async () => {
  rmSync(join(DIST, CHUNKS), { recursive: true, force: true });
  const core = readdirSync(join(DIST, 'core'), { recursive: true })
    // The compiler leaves what it wrote for a source that is gone.
    // What runs before the chunks is none of them.
    .filter((file) => file !== 'code-cache.js')
    .filter((file) => file.endsWith('.js') && existsSync(join(PROJECT, 'core', file.replace(/\.js$/, '.ts'))))
    .map((file) => `core/${file}`);
  const build = await rolldown({
    cwd: PROJECT,
    platform: 'node',
    input: Object.fromEntries([...core, MAIN].map((file) => [file.slice(0, -'.js'.length), join(DIST, file)])),
    external: APART,
    plugins: [atHand, sparing],
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
  const late = await rolldown({
    cwd: PROJECT,
    platform: 'node',
    input: Object.fromEntries(
      LATE.map((name) => [name, require.resolve(name, { paths: [require.resolve('cosmiconfig')] })]),
    ),
  });
  const { output: lateOutput } = await late.write({
    dir: join(DIST, CHUNKS),
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: 'late-[name].cjs',
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  for (const { fileName, code, name } of output) {
    const text = asAscii(withoutFaces(code));
    if (fileName.startsWith(CHUNKS) && CACHED.includes(name)) {
      const { script, module } = splitChunk(name, text);
      writeFileSync(join(DIST, CHUNKS, `${name}.cjs`), script);
      writeFileSync(join(DIST, fileName), module);
    } else writeFileSync(join(DIST, fileName), text);
    // What the compiler wrote beside it is about other lines.
    rmSync(join(DIST, `${fileName}.map`), { force: true });
  }
  const carried = [...output, ...lateOutput].flatMap(({ modules }) => Object.keys(modules));
  writeFileSync(join(DIST, CHUNKS, 'LICENSES.txt'), licences(carried));
};
