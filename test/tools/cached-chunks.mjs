// SPDX-License-Identifier: MIT
// Turns chunks of the bundle into scripts whose compiled form can be kept: the engine does that for scripts, not for
// modules. A module of the same name stays, which imports for the script and hands on what it exports.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

/** `import` within a chunk, as the script gets it. */
const LOAD = '__load';
const META = '__meta';

/** Names of an import or export declaration: as outside of the chunk, and as in it. */
const namesOf = (bindings) =>
  bindings.elements.map(({ name, propertyName }) => ({ outer: (propertyName ?? name).text, inner: name.text }));

/** What a chunk consists of. */
const parse = (name, code) => {
  const tree = ts.createSourceFile(`${name}.js`, code, ts.ScriptTarget.Latest, true);
  const parts = { imports: [], gives: [], edits: [] };
  const remove = (node) => parts.edits.push({ from: node.getStart(tree), to: node.end, text: '' });
  for (const node of tree.statements) {
    if (ts.isImportDeclaration(node)) {
      const bindings = node.importClause?.namedBindings;
      if (bindings === undefined || !ts.isNamedImports(bindings)) throw new Error(`${name}: an import without names`);
      parts.imports.push({ from: node.moduleSpecifier.text, names: namesOf(bindings) });
      remove(node);
    } else if (ts.isExportDeclaration(node)) {
      // Here the name in the chunk comes first.
      parts.gives.push(...namesOf(node.exportClause).map(({ outer, inner }) => ({ outer: inner, inner: outer })));
      remove(node);
    }
  }
  const visit = (node) => {
    const text =
      node.kind === ts.SyntaxKind.ImportKeyword && ts.isCallExpression(node.parent)
        ? LOAD
        : ts.isMetaProperty(node)
          ? META
          : undefined;
    if (text !== undefined) parts.edits.push({ from: node.getStart(tree), to: node.end, text });
    else if (ts.isIdentifier(node) && (node.text === LOAD || node.text === META)) {
      throw new Error(`${name}: "${node.text}" is taken`);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return parts;
};

const edited = (code, edits) =>
  edits
    .sort((one, other) => other.from - one.from)
    .reduce((text, { from, to, text: by }) => text.slice(0, from) + by + text.slice(to), code);

/**
 * The script of a chunk, and the module in its place.
 *
 * @param code as the bundler writes it, ASCII only
 */
export const splitChunk = (name, code) => {
  const { imports, gives, edits } = parse(name, code);
  const needs = imports.flatMap(({ names }) => names.map(({ inner }) => inner));
  const script = `(function(${[LOAD, META, ...needs].join(',')}){"use strict";${edited(code, edits)}
return{${gives.map(({ outer, inner }) => `${outer}:${inner}`).join(',')}}})`;
  let index = 0;
  const module = [
    ...imports.map(
      ({ from, names }) => `import{${names.map(({ outer }) => `${outer} as i${index++}`).join(',')}}from"${from}";`,
    ),
    'import{compiledChunk}from"../core/code-cache.js";',
    `const{${gives.map(({ outer }, at) => `${outer}:e${at}`).join(',')}}=compiledChunk(import.meta.dirname,"${name}")`,
    `(${['name=>import(name)', 'import.meta', ...needs.map((_, at) => `i${at}`)].join(',')});`,
    `export{${gives.map(({ outer }, at) => `e${at} as ${outer}`).join(',')}};\n`,
  ].join('');
  return { script, module };
};

/** A plugin that keeps what the engine has compiled by then, when a guest has got its device. */
const keeper = (dist) => `import { writeFileSync } from 'node:fs';
import { compiledChunks } from ${JSON.stringify(pathToFileURL(join(dist, 'core/code-cache.js')).href)};
import { definePlugin } from ${JSON.stringify(pathToFileURL(join(dist, 'core/plugin/index.js')).href)};
const keep = () => {
  for (const { script, source, cache } of compiledChunks) {
    writeFileSync(cache, Buffer.concat([source, script.createCachedData()]));
  }
  process.exit(0);
};
export default definePlugin({
  name: 'build/keeper',
  api: '^1.0',
  apply: (host) => {
    host.hooks.deviceAssigned.tap(() => void setTimeout(keep, 500));
  },
});
`;

/** What a process prints that takes the chunks as a start does, and the packages that are loaded late. */
const looker = (dist, late) => `import { createRequire } from 'node:module';
const { compiledChunks } = await import(${JSON.stringify(pathToFileURL(join(dist, 'core/code-cache.js')).href)});
await import(${JSON.stringify(pathToFileURL(join(dist, 'chunks/serve.js')).href)});
const require = createRequire(${JSON.stringify(join(dist, 'chunks/serve.js'))});
for (const name of ${JSON.stringify(late)}) require(\`./\${name}.cjs\`);
console.log(compiledChunks.map(({ isCached }) => isCached).join());`;

/** Why a process came to nothing; one that took too long has printed nothing. */
const whyOf = ({ error, signal, stdout, stderr }) =>
  [error?.message, signal === null ? undefined : `ended by ${signal}`, stdout, stderr].filter(Boolean).join('\n');

/**
 * Starts the command as a service is started, and keeps what the engine made of the chunks.
 *
 * @param late packages that are loaded when a file needs them, which are tried too
 * @param limit milliseconds that a start may take
 */
export const keepCompiled = (dist, main, late, limit = 60_000) => {
  const folder = mkdtempSync(join(tmpdir(), 'pciback-build-'));
  try {
    writeFileSync(join(folder, 'keeper.mjs'), keeper(dist));
    const rc = { platform: 'embedded', control: false, plugins: ['./keeper.mjs'], embedded: { devices: ['samples'] } };
    writeFileSync(join(folder, 'pciback.config.json'), JSON.stringify(rc));
    const run = (...words) =>
      spawnSync(process.execPath, words, {
        cwd: folder,
        // Flags of the build would be part of what the engine compares.
        env: { ...process.env, NODE_OPTIONS: '' },
        encoding: 'utf8',
        timeout: limit,
      });
    const served = run(main, 'serve', '--log-level', 'error');
    if (served.status !== 0) throw new Error(`the built command does not serve: ${whyOf(served)}`);
    const looked = run('--input-type=module', '-e', looker(dist, late));
    if (looked.status !== 0 || looked.stdout !== 'true,true\n') {
      throw new Error(`kept chunks, or what is loaded late, are not taken: ${whyOf(looked)}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
