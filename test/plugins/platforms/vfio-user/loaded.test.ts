// SPDX-License-Identifier: MIT

import { dirname, join } from 'node:path/posix';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { sourceFiles } from '../../../tools/imports.ts';

const files = sourceFiles();

/** Modules that a file loads: what is imported as a type only does not count. */
const loadedBy = (path: string): readonly string[] => {
  const found: string[] = [];
  const take = (module: string): void => {
    const target = join(dirname(path), module);
    if (module.startsWith('.') && files.has(target)) found.push(target);
  };
  const isOfTypes = (names: readonly { readonly isTypeOnly: boolean }[] | undefined): boolean =>
    names !== undefined && names.length > 0 && names.every((one) => one.isTypeOnly);
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const clause = node.importClause;
      const named = clause?.namedBindings;
      const elements = named !== undefined && ts.isNamedImports(named) ? named.elements : undefined;
      const onlyTypes = clause?.isTypeOnly === true || (clause?.name === undefined && isOfTypes(elements));
      if (!onlyTypes) take(node.moduleSpecifier.text);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined && !node.isTypeOnly) {
      const clause = node.exportClause;
      const elements = clause !== undefined && ts.isNamedExports(clause) ? clause.elements : undefined;
      if (ts.isStringLiteral(node.moduleSpecifier) && !isOfTypes(elements)) take(node.moduleSpecifier.text);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [name] = node.arguments;
      if (name !== undefined && ts.isStringLiteral(name)) take(name.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, files.get(path) ?? '', ts.ScriptTarget.Latest));
  return found;
};

/** Everything that is loaded with these, at once or when it is needed. */
const allFrom = (...roots: readonly string[]): ReadonlySet<string> => {
  const reached = new Set<string>();
  const open = [...roots];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    open.push(...loadedBy(path));
  }
  return reached;
};

const SHARED = ['plugins/interrupts/device/plugin.ts', 'plugins/interrupts/strict.ts', 'plugins/fields/pcie.ts'];
const platformOf = (name: string): readonly string[] => [
  `plugins/platforms/${name}/plugin.ts`,
  `plugins/platforms/${name}/index.ts`,
];
const xen = allFrom(
  'core/pciback.ts',
  ...SHARED,
  ...platformOf('xen'),
  'plugins/slots/vpci.ts',
  'plugins/fields/header.ts',
  'plugins/fields/msi.ts',
  'plugins/fields/msix.ts',
  'plugins/fields/msi-message.ts',
);
const socket = allFrom(
  'core/pciback.ts',
  ...SHARED,
  ...platformOf('vfio-user'),
  ...platformOf('embedded'),
  'plugins/fields/client-header.ts',
  'plugins/fields/client-interrupts.ts',
);
const sorted = (some: Iterable<string>): string[] => [...some].sort();
const foldersOf = (some: Iterable<string>): string[] =>
  sorted(
    new Set(
      [...some].map((path) =>
        path
          .split('/')
          .slice(0, path.startsWith('core/') ? 2 : 3)
          .join('/'),
      ),
    ),
  );

/** Every file, with LIST_FILES=1; else how many. */
const tell = (whose: string, some: readonly string[]): void => {
  const list = process.env.LIST_FILES === '1' ? `\n  ${sorted(some).join('\n  ')}` : '';
  process.stdout.write(`files loaded for ${whose}: ${some.length}${list}\n`);
};

describe('what two front doors load', () => {
  it('for both: all of core, the driver of interrupts, the policy', () => {
    const both = [...xen].filter((path) => socket.has(path));
    expect(foldersOf(both.filter((path) => path.startsWith('core/')))).toEqual(
      foldersOf([...xen].filter((path) => path.startsWith('core/'))),
    );
    const plugins = foldersOf(both.filter((path) => path.startsWith('plugins/')));
    expect(plugins).toEqual(expect.arrayContaining(['plugins/interrupts/device', 'plugins/interrupts/strict.ts']));
    expect(plugins.filter((path) => /platforms\/(xen|vfio-user|embedded)|slots/.test(path))).toEqual([]);
    tell('both', both);
  });

  it('for Xen alone: its platform, slots, and registers that a host keeps from its guest', () => {
    const alone = [...xen].filter((path) => !socket.has(path));
    expect(alone.filter((path) => path.startsWith('core/'))).toEqual([]);
    expect(foldersOf(alone)).toEqual(
      expect.arrayContaining(['plugins/fields/bars.ts', 'plugins/platforms/xen', 'plugins/slots/vpci.ts']),
    );
    tell('Xen alone', alone);
  });

  it('for sockets alone: the door, devices without hardware, and registers that a client looks after', () => {
    const alone = [...socket].filter((path) => !xen.has(path));
    expect(alone.filter((path) => path.startsWith('core/'))).toEqual([]);
    const folders = foldersOf(alone);
    for (const one of ['platforms/vfio-user', 'platforms/embedded', 'fields/client-header.ts']) {
      expect(folders).toContain(`plugins/${one}`);
    }
    tell('sockets alone', alone);
  });

  it('of core the door itself takes space, stub and what they stand on; ring, dispatcher and xenbus serve nobody there', () => {
    const own = [...files.keys()].filter((path) => path.startsWith('plugins/platforms/vfio-user/'));
    const taken = own.flatMap(loadedBy).filter((path) => path.startsWith('core/'));
    expect(sorted(new Set(taken))).toMatchInlineSnapshot(`
      [
        "core/bdf.ts",
        "core/errors/index.ts",
        "core/platform/index.ts",
        "core/plugin/index.ts",
        "core/ring/layout.ts",
        "core/ring/request.ts",
        "core/serial-queue.ts",
        "core/space/denials.ts",
        "core/space/outcome.ts",
      ]
    `);
  });
});
