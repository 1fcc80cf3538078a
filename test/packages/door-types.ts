// SPDX-License-Identifier: MIT

import { join, resolve } from 'node:path';
import ts from 'typescript';

const ROOT = resolve(import.meta.dirname, '../..');
/** What the plugin API is, by the name that plugins import. */
const doors = { 'pciback/plugin': 'plugins/kinds/index.ts', 'pciback/quirk': 'quirks/index.ts' } as const;

const printer = ts.createPrinter({ removeComments: true });
const FLAGS = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.WriteArrowStyleSignature;

const signature = (type: ts.Type): string => checker.typeToString(type, undefined, FLAGS);

/** Members of a class that its users can reach. */
const membersOf = (symbol: ts.Symbol, node: ts.ClassDeclaration): string => {
  const type = checker.getDeclaredTypeOfSymbol(symbol);
  const members = checker.getPropertiesOfType(type).map((member) => {
    const text = signature(checker.getTypeOfSymbolAtLocation(member, node));
    return `    ${member.name}: ${text};\n`;
  });
  return `class ${symbol.name} {\n${members.join('')}}`;
};

const declared = (symbol: ts.Symbol): readonly string[] =>
  (symbol.declarations ?? []).map((node) => {
    if (ts.isClassDeclaration(node)) return membersOf(symbol, node);
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || ts.isEnumDeclaration(node)) {
      return printer.printNode(ts.EmitHint.Unspecified, node, node.getSourceFile()).replace(/^export (declare )?/, '');
    }
    return `const ${symbol.name}: ${signature(checker.getTypeOfSymbolAtLocation(symbol, node))};`;
  });

const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile);
const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, ROOT);
/** The doors of the plugin API, and all that they reach. */
export const program = ts.createProgram(
  Object.values(doors).map((file) => join(ROOT, file)),
  options,
);
const checker = program.getTypeChecker();

/** What a door exports, by name. */
export const exportsOf = (door: keyof typeof doors): ReadonlyMap<string, ts.Symbol> => {
  const module = checker.getSymbolAtLocation(program.getSourceFile(join(ROOT, doors[door])) as ts.Node) as ts.Symbol;
  const exported = checker.getExportsOfModule(module).map((symbol) => {
    const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0;
    return [symbol.name, isAlias ? checker.getAliasedSymbol(symbol) : symbol] as const;
  });
  return new Map(exported.sort(([one], [other]) => (one < other ? -1 : 1)));
};

/** Every export of the doors with its type, without comments: what a plugin can be written against. */
export const doorTypes = (): string =>
  (Object.keys(doors) as (keyof typeof doors)[])
    .map((door) => {
      // The number itself is what goes with a change, and an error more is none.
      const named = [...exportsOf(door)].filter(([name]) => name !== 'API_VERSION');
      const types = named.flatMap(([, symbol]) => declared(symbol)).join('\n');
      return `## ${door}\n\n\`\`\`ts\n${types.replace(/FactsOf<\{ readonly .*\}\[Of\]>/g, 'FactsOf<(typeof catalogue)[Of]>')}\n\`\`\`\n`;
    })
    .join('\n');
