// SPDX-License-Identifier: MIT

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path/posix';
import ts from 'typescript';

const ROOT = resolve(import.meta.dirname, '../..');

const roots: ReadonlySet<string> = new Set([
  'plugins/bundled.ts',
  'plugins/commands/main.ts',
  'plugins/commands/command-line.ts',
  'plugins/commands/setup.ts',
]);

/** It puts the house together: it may import every plugin, and stands above all folders. */
export const isCompositionRoot = (path: string): boolean => roots.has(path) || path.startsWith('plugins/program/');

/** One module that a file imports, types included: `import … from`, `export … from`, `import()` or `import type`. */
export interface Import {
  /** As written, e.g. `../bdf.ts`. */
  readonly module: string;
  /** What is taken of it; `*`: all. */
  readonly names: readonly string[];
}

const namesIn = (node: ts.ImportDeclaration | ts.ExportDeclaration): readonly string[] => {
  if (ts.isExportDeclaration(node)) {
    const clause = node.exportClause;
    return clause !== undefined && ts.isNamedExports(clause)
      ? clause.elements.map(({ propertyName, name }) => (propertyName ?? name).text)
      : ['*'];
  }
  const { name, namedBindings } = node.importClause ?? {};
  const others =
    namedBindings === undefined
      ? []
      : ts.isNamespaceImport(namedBindings)
        ? ['*']
        : namedBindings.elements.map((element) => (element.propertyName ?? element.name).text);
  return [...(name === undefined ? [] : ['default']), ...others];
};

/** What a source file imports. */
export const importsOf = (text: string): readonly Import[] => {
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
      if (ts.isStringLiteral(node.moduleSpecifier)) {
        found.push({ module: node.moduleSpecifier.text, names: namesIn(node) });
      }
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      const { literal } = node.argument;
      const { qualifier } = node;
      const name = qualifier !== undefined && ts.isIdentifier(qualifier) ? qualifier.text : '*';
      if (ts.isStringLiteral(literal)) found.push({ module: literal.text, names: [name] });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [name] = node.arguments;
      if (name !== undefined && ts.isStringLiteral(name)) found.push({ module: name.text, names: ['*'] });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('module.ts', text, ts.ScriptTarget.Latest));
  return found;
};

/** The text of every source file of the house, by its path from the project's root. */
export const sourceFiles = (): ReadonlyMap<string, string> => {
  const files = new Map<string, string>();
  for (const folder of ['core', 'plugins', 'quirks']) {
    for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const path = join(entry.parentPath, entry.name);
      // Packages of their own, which `pciback new` writes.
      if (path.includes('/templates/')) continue;
      files.set(path.slice(ROOT.length + 1), readFileSync(path, 'utf8'));
    }
  }
  return files;
};

/** The folder that a file lies in. A file beside the folders (`core/bdf.ts`) counts as a folder of its own. */
const folderOf = (path: string): string => (path.split('/').length === 2 ? path : dirname(path));

/** The folder below `core` or `plugins` that a file lies in, however deep. */
const groupOf = (path: string): string => path.split('/').slice(0, 2).join('/');

/** Which folders import which, with the imports behind each arrow as `file → file: names`. */
type Arrows = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

const arrowsBetween = (files: ReadonlyMap<string, string>, unitOf: (path: string) => string): Arrows => {
  const arrows = new Map<string, Map<string, string[]>>();
  for (const [path, text] of files) {
    if (isCompositionRoot(path)) continue;
    for (const { module, names } of importsOf(text)) {
      const target = join(dirname(path), module);
      // What is not there, and packages, are no folders of this house.
      if (!module.startsWith('.') || !files.has(target) || isCompositionRoot(target)) continue;
      const [from, to] = [unitOf(path), unitOf(target)];
      if (from === to) continue;
      const targets = arrows.get(from) ?? new Map<string, string[]>();
      arrows.set(from, targets.set(to, [...(targets.get(to) ?? []), `${path} → ${target}: ${names.join(', ')}`]));
    }
  }
  return arrows;
};

const reachableFrom = (arrows: Arrows, start: string): ReadonlySet<string> => {
  const reached = new Set<string>();
  const open = [start];
  for (let unit = open.pop(); unit !== undefined; unit = open.pop()) {
    for (const next of arrows.get(unit)?.keys() ?? []) {
      if (reached.has(next)) continue;
      reached.add(next);
      open.push(next);
    }
  }
  return reached;
};

/** Folders that import each other, directly or through others: each circle once, followed by the imports that tie it. */
const circlesOf = (arrows: Arrows): readonly string[] => {
  const reach = new Map([...arrows.keys()].map((unit) => [unit, reachableFrom(arrows, unit)]));
  const done = new Set<string>();
  const circles: string[] = [];
  for (const [unit, reached] of reach) {
    if (done.has(unit) || !reached.has(unit)) continue;
    const members = [...reached].filter((other) => reach.get(other)?.has(unit)).sort();
    for (const member of members) done.add(member);
    const ties = members.flatMap((from) =>
      [...(arrows.get(from) ?? [])].flatMap(([to, imports]) => (members.includes(to) ? imports : [])),
    );
    circles.push([members.join(' ↔ '), ...ties].join('\n  '));
  }
  return circles;
};

/** Every circle of imports between folders, types included; folders inside of a folder also count as one with it. */
export const circles = (files: ReadonlyMap<string, string>): readonly string[] => [
  ...new Set([folderOf, groupOf].flatMap((unitOf) => circlesOf(arrowsBetween(files, unitOf)))),
];
