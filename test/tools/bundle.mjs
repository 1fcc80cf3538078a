// SPDX-License-Identifier: MIT
// After `tsc`: puts the modules that a start of `pciback serve` loads into four files, since each file that is imported
// costs about a millisecond, and packages have many. The modules' own files stay and hand on what lies in the bundle: a
// plugin that imports `pciback/plugin` shares its modules with the command.

import { existsSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { rolldown } from 'rolldown';

const PROJECT = resolve(import.meta.dirname, '../..');
const CHUNKS = 'chunks';
const MAIN = 'plugins/commands/main.js';

/** Packages that are loaded only when something needs them. */
const LATE_PACKAGES = /^(koffi|ffi-napi|jiti|pino|typescript)$/;

/** Modules that a start with the embedded platform does not load: they stay as the compiler wrote them. */
const LATE = [
  /^test\//,
  /^plugins\/lane\//,
  /^plugins\/(platforms\/xen|native\/[^/]+)\/(?!(plugin|([a-z-]+-)?(section|changes))\.js$)/,
  /^plugins\/guests\/linux\/(?!plugin\.js$)/,
  /^plugins\/new\/(?!plugin\.js$)/,
  /^plugins\/platforms\/vfio-user\/(?!(plugin|section|operations|messages)\.js$)/,
  /^plugins\/(?!commands\/serve-|supervisor\/crash-)[^/]+\/[^/]+-(run|report|offline|thread)\.js$/,
  /^plugins\/commands\/completion\//,
  /^plugins\/native\/loader\.js$/,
  /^plugins\/fates\.js$/,
  /^plugins\/observe\/(dump|held|script|trace)-?[a-z]*\.js$/,
  /^plugins\/observe\/trial\.js$/,
];

/** Files of LATE that are not run where only the program is installed: tests, and what `pciback new` copies. */
const NO_PROGRAM = /^(test|plugins\/new\/templates)\//;
const importsOfPackages = (code) => [
  ...code.matchAll(/^(?:import|export)\b(?:[^'";()=]*\bfrom)?\s*["']([a-z@][\w.@/-]*)["']/gm),
];

/** What the answering thread has too, most of it of core; it imports no package that takes long. */
const GROUND = /^(core\/([a-z-]+\.js$|(errors|ring|platform|space)\/)|plugins\/histogram\.js$)/;
/** They need all of core. */
const ABOVE = /^core\/(index|pciback)\.js$/;

/** The files of the bundle; a module is in the first that fits, with what it imports and no earlier one has. */
const groupsOf = (inDist) => [
  {
    name: 'ground',
    test: (id) => id.includes('/fastest-levenshtein/') || (GROUND.test(inDist(id)) && !ABOVE.test(inDist(id))),
  },
  { name: 'packages', test: (id) => inDist(id) === '' },
  { name: 'core', test: (id) => inDist(id).startsWith('core/') },
  { name: 'plugins', test: (id) => /^(plugins|quirks)\//.test(inDist(id)) && inDist(id) !== MAIN },
];

/**
 * The list of bundled plugins imports each on demand, which costs a file each. In the bundle nothing is saved by that, so
 * those that are loaded by default are imported at once.
 */
export const atHand = {
  name: 'at-hand',
  transform(code, id) {
    if (!id.endsWith('/plugins/bundled.js')) return undefined;
    const imports = [];
    const listed = code.replace(/(byDefault: true\b[^}]*?)import\("(\.[^"]+)"\)/g, (_whole, before, path) => {
      imports.push(`import plugin${imports.length} from "${path}";`);
      return `${before}Promise.resolve({ default: plugin${imports.length - 1} })`;
    });
    if (imports.length === 0)
      throw new Error(`${id} lists no plugin that is imported by default in the form known here`);
    return `${imports.join('\n')}\n${listed}`;
  },
};

/** zod's words for refusals in some fifty languages, of which pciback speaks one: a quarter of what a start reads. */
const oneLanguage = {
  name: 'one-language',
  load: (id) => (id.endsWith('/zod/v4/locales/index.js') ? 'export { default as en } from "./en.js";' : undefined),
};

/** The engine keeps a text of which all characters fit into a byte in half of the memory: the others are written as escapes. */
const ofBytes = (code) =>
  code.replaceAll(/[\u0100-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

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

/**
 * Bundles the compiled project in its place. To be called once after each run of the compiler: it reads what that wrote.
 *
 * @param folder what the compiler wrote to, with the project's packages above it
 */
export const bundle = async (folder) => {
  // As the bundler names modules.
  const dist = realpathSync(folder);
  const inDist = (id) => (id.startsWith(`${dist}/`) ? relative(dist, id) : '');
  const isLate = (id) => LATE_PACKAGES.test(id) || LATE.some((form) => form.test(inDist(id)));
  rmSync(join(dist, CHUNKS), { recursive: true, force: true });
  const all = readdirSync(dist, { recursive: true })
    // The compiler leaves what it wrote for a source that is gone.
    .filter((file) => file.endsWith('.js') && existsSync(join(PROJECT, file.replace(/\.js$/, '.ts'))));
  const files = all.filter((file) => !isLate(join(dist, file)));
  for (const file of all.filter((one) => isLate(join(dist, one)) && !NO_PROGRAM.test(one))) {
    const [, name] =
      importsOfPackages(readFileSync(join(dist, file), 'utf8')).find(([, one]) => !LATE_PACKAGES.test(one)) ?? [];
    if (name !== undefined)
      throw new Error(`${file} imports ${name}, which only the bundle carries: it cannot be one of LATE`);
  }
  const build = await rolldown({
    cwd: PROJECT,
    platform: 'node',
    input: Object.fromEntries(files.map((file) => [file.slice(0, -'.js'.length), join(dist, file)])),
    external: isLate,
    plugins: [atHand, oneLanguage],
    onLog: (level, log, handle) => {
      // What is imported late is in the bundle too.
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
  // What finds a file beside its own by its address does not find it from the bundle: it has to be one of LATE.
  const own = [`${CHUNKS}/ground.js`, `${CHUNKS}/core.js`, `${CHUNKS}/plugins.js`];
  const astray = output.find(({ fileName, code }) => own.includes(fileName) && code?.includes('import.meta.url'));
  if (astray !== undefined) throw new Error(`${astray.fileName} has a module with import.meta.url`);
  const carried = output.flatMap(({ modules }) => Object.keys(modules)).filter((id) => !inDist(id));
  for (const { type, fileName, code } of output) {
    if (type !== 'chunk' || !fileName.startsWith(`${CHUNKS}/`)) continue;
    if (code.includes('String.raw')) throw new Error(`${fileName} has String.raw, in which escapes stay as they are`);
    writeFileSync(join(dist, fileName), ofBytes(code));
  }
  writeFileSync(join(dist, CHUNKS, 'LICENSES.txt'), licences(carried));
};
