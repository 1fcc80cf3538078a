// SPDX-License-Identifier: MIT
// After `tsc`: puts what `pciback serve` needs into a few files, because each file that is imported costs as much
// time as running it. The other files of dist/ stay. A module of core keeps its file too, which hands on what lies in
// the bundle: a plugin that imports `pciback/plugin` shares its modules with the command.

import { existsSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative, resolve } from 'node:path';
import { rolldown } from 'rolldown';
import { splitChunk } from './cached-chunks.mjs';

const require = createRequire(import.meta.url);
const PROJECT = resolve(import.meta.dirname, '../..');
const CHUNKS = 'chunks';
const MAIN = 'plugins/commands/main.js';

/** Loaded by their own means, or too seldom to be carried along. */
const APART = [
  /^(koffi|ffi-napi|jiti|pino|typescript)$/,
  /(platforms\/xen|native\/[a-z-]+)\/index\.js$/,
  // It finds the module of its thread beside it.
  /plugins\/lane\/lane\.js$/,
];

/** Modules that make zod's schemas; a start does without where it can, and so does the answering thread. */
const SCHEMAS = /^core\/(config\/(keys|schema)|quirk\/quirk-json)\.js$/;
/** Plugins with schemas, or with what has one, that are seldom wanted: each has a file of its own. */
const WANTED = /^plugins\/(fields\/hide|observe\/recorder|interrupts\/rate-limits)\.js$/;
/** Command lines that are not plain. */
const PARSER = /^plugins\/commands\/parser\.js$/;
/** What the answering thread shares with the rest; it has a foreign-function loader of its own, which needs the errors. */
const BASE = /^core\/(dispatcher\/watch-window|platform\/index|errors\/index|ring\/index)\.js$/;
const LANE = /^plugins\/lane\/(index|thread)\.js$/;
/** Versions that are not plain. */
const RANGES = /^core\/plugin\/semver-range\.js$|\/node_modules\/semver\//;
/** Opened when guests are served, or when a command asks a running pciback. */
const CONTROL = /^plugins\/control\//;
/** For the reference only. */
const SELDOM = /^core\/config\/describe\.js$/;

const CORE_PACKAGES = /\/node_modules\/(tapable|fastest-levenshtein|cosmiconfig|env-paths)\//;

/** Other commands have files of their own; so has the entry, which waits at its top level for the others. */
const AT_START = /^(plugins|quirks)\/(?!commands\/(main|(?!serve-)[a-z-]+-(run|report|offline))\.js$)/;

/** The first that fits, with all that it imports and no earlier one has. */
const groupsOf = (inDist) => {
  const within = (form) => (id) => form.test(inDist(id));
  return [
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
};

/** As `replace`, for what has to be there: a pattern that no longer fits would be a slower start that nobody notices. */
export const replaced = (code, pattern, by, where) => {
  const text = code.replace(pattern, by);
  if (text === code) throw new Error(`${where}: nothing fits ${pattern} any more`);
  return text;
};

/** Where a start imports on demand what it always demands. */
const DEMANDING = [
  'plugins/bundled.js',
  'plugins/commands/main.js',
  'plugins/commands/serve.js',
  'plugins/commands/serve-run.js',
  'plugins/platforms/embedded/plugin.js',
];

/** Turns those imports into ordinary ones: in the bundle nothing is saved by importing late. */
const atHand = (code, where) => {
  const imports = [];
  const demand = (_whole, name) => {
    const local = `atHand${imports.length}`;
    imports.push(`import * as ${local} from "${name}";`);
    return `Promise.resolve(${local})`;
  };
  const lines = replaced(
    code,
    /^(?!.*(?:byDefault: false|\/(core|plugins)\/control\/)).*\bimport\("\..*$/gm,
    (line) => line.replace(/\bimport\("(\.[^"]+)"\)/g, demand),
    where,
  );
  return `${lines}\n${imports.join('\n')}\n`;
};

/** What cosmiconfig loads when a file is of a kind that needs it; it wants them at once, so they are CommonJS. */
export const LATE = ['js-yaml', 'import-fresh'];

/**
 * What is written differently in the bundle, by the end of a module's path. Of the packages, what a start uses: cosmiconfig
 * is run when an rc file is there, its loaders when the file is of their kind; tapable's hooks are those that hooks are
 * made of.
 */
const edits = new Map([
  ...DEMANDING.map((file) => [`/${file}`, atHand]),
  [
    '/core/config/load.js',
    (code, where) => replaced(code, /\bimport\('cosmiconfig'\)/, 'Promise.resolve(require("cosmiconfig"))', where),
  ],
  [
    '/node_modules/cosmiconfig/dist/loaders.js',
    (code, where) => {
      // For the name of a file that is written beside a TypeScript one, which pciback loads by other means.
      const text = replaced(code, /^const crypto_1 = .*$/m, '', where);
      const lazy = replaced(text, /\bcrypto_1\b/g, 'require("crypto")', where);
      // It adds to messages, and pciback reads its rc files without it: it would be for cosmiconfig's own settings.
      return replaced(lazy, "require('parse-json')", 'JSON.parse', where);
    },
  ],
  [
    '/node_modules/tapable/lib/index.js',
    (code, where) =>
      replaced(code, /^module\.exports\.(?!(Sync|AsyncSeries)(Bail)?Hook ).*Hook.* = require.*$/gm, '', where),
  ],
]);

/** Makes the {@link edits} and leaves {@link LATE} apart; at its end all of that must have been wanted. */
const sparing = () => {
  const missing = new Set([...edits.keys(), ...LATE]);
  return {
    name: 'sparing',
    resolveId(source, importer = '') {
      if (!importer.includes('/cosmiconfig/') || !LATE.includes(source)) return undefined;
      missing.delete(source);
      return { id: `./${source}.cjs`, external: true };
    },
    transform(code, id) {
      for (const [end, edit] of edits) {
        if (!id.endsWith(end)) continue;
        missing.delete(end);
        return { code: edit(code, id) };
      }
      return undefined;
    },
    buildEnd(error) {
      if (error === undefined && missing.size > 0) throw new Error(`not in the bundle: ${[...missing].join(', ')}`);
    },
  };
};

/** A script of ASCII alone is half as long in memory, and read in half the time. */
const asAscii = (code) =>
  code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * An import of a module of Node's own has it make a second face of the module, for which it loads all that the module
 * would otherwise load when it is used: streams with `fs`, and more.
 */
export const withoutFaces = (code, where) =>
  code.replace(/^((?:import[^;]*;)*)/, (imports) => {
    const own = [];
    const others = imports.replace(/import\{([^}]*)\}from("node:[^"]+");/g, (_whole, names, module) => {
      own.push(`const{${names.replace(/ as /g, ':')}}=process.getBuiltinModule(${module});`);
      return '';
    });
    const left = /import[^;]*"node:[^"]+";/.exec(others);
    if (left !== null) throw new Error(`${where}: an import of another form: ${left[0]}`);
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

/**
 * Bundles the compiled project in its place. To be called once after each run of the compiler: it reads what that wrote.
 *
 * @param folder what the compiler wrote to, with the project's packages above it
 */
export const bundle = async (folder) => {
  // As the bundler names modules.
  const dist = realpathSync(folder);
  const inDist = (id) => (id.startsWith(`${dist}/`) ? relative(dist, id) : '');
  rmSync(join(dist, CHUNKS), { recursive: true, force: true });
  const core = readdirSync(join(dist, 'core'), { recursive: true })
    // What runs before the chunks is none of them.
    .filter((file) => file !== 'code-cache.js')
    // The compiler leaves what it wrote for a source that is gone.
    .filter((file) => file.endsWith('.js') && existsSync(join(PROJECT, 'core', file.replace(/\.js$/, '.ts'))))
    .map((file) => `core/${file}`);
  const build = await rolldown({
    cwd: PROJECT,
    platform: 'node',
    input: Object.fromEntries([...core, MAIN].map((file) => [file.slice(0, -'.js'.length), join(dist, file)])),
    external: APART,
    plugins: [sparing()],
    onLog: (level, log, handle) => {
      if (log.code !== 'INEFFECTIVE_DYNAMIC_IMPORT') handle(level, log);
    },
  });
  const { output } = await build.write({
    dir: dist,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: `${CHUNKS}/[name].js`,
    codeSplitting: { groups: groupsOf(inDist) },
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
    dir: join(dist, CHUNKS),
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: 'late-[name].cjs',
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  for (const { fileName, code, name } of output) {
    const text = asAscii(withoutFaces(code, fileName));
    if (fileName.startsWith(CHUNKS) && CACHED.includes(name)) {
      const { script, module } = splitChunk(name, text);
      writeFileSync(join(dist, CHUNKS, `${name}.cjs`), script);
      writeFileSync(join(dist, fileName), module);
    } else writeFileSync(join(dist, fileName), text);
    // What the compiler wrote beside it is about other lines.
    rmSync(join(dist, `${fileName}.map`), { force: true });
  }
  const carried = [...output, ...lateOutput].flatMap(({ modules }) => Object.keys(modules)).filter((id) => !inDist(id));
  writeFileSync(join(dist, CHUNKS, 'LICENSES.txt'), licences(carried));
};
