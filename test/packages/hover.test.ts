// SPDX-License-Identifier: MIT

import { join, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root);
const door = join(root, 'plugins/kinds/index.ts');

/** Members of the type under this path, as an editor shows them: `Host`, `Host.hooks`. */
const membersOf = (program: ts.Program, path: string): readonly ts.Symbol[] => {
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(door);
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(file as ts.Node) as ts.Symbol);
  const [first = '', ...rest] = path.split('.');
  const named = exported.find(({ name }) => name === first);
  if (named === undefined) throw new Error(`pciback/plugin has no ${first}`);
  const symbol = (named.flags & ts.SymbolFlags.Alias) === 0 ? named : checker.getAliasedSymbol(named);
  let type = checker.getDeclaredTypeOfSymbol(symbol);
  for (const name of rest) type = checker.getTypeOfSymbol(checker.getPropertyOfType(type, name) as ts.Symbol);
  return checker.getPropertiesOfType(type);
};

describe('what an editor shows', () => {
  const program = ts.createProgram([door], options);
  it.each([
    ['Host', 11],
    ['Host.hooks', 12],
    ['Host.fields', 1],
    ['Host.slots', 1],
    ['Host.platforms', 1],
    ['Host.parts', 1],
    ['Register', 10],
    ['FieldSet', 4],
    ['RegisterAccess', 5],
    ['CommandContext', 8],
    ['CommandDefinition', 6],
    ['PartContext', 7],
    ['PartDefinition', 7],
    ['RunningPart', 4],
    ['Engine', 6],
    ['PlatformSettings', 6],
    ['PlatformDefinition', 4],
    ['PluginDefinition', 5],
    ['SlotMap', 5],
    ['InterruptPolicy', 4],
  ])('has a sentence for each member of %s', (path, least) => {
    const members = membersOf(program, path);
    expect(members.length).toBeGreaterThanOrEqual(least);
    const silent = members.filter(
      (member) => ts.displayPartsToString(member.getDocumentationComment(program.getTypeChecker())).trim() === '',
    );
    expect(silent.map(({ name }) => name)).toEqual([]);
  });
});
