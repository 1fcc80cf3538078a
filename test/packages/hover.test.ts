// SPDX-License-Identifier: MIT

import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { API_VERSION } from '../../core/plugin/definition.ts';
import { doorTypes, exportsOf, program } from './door-types.ts';

/** Members of the type under this path, as an editor shows them: `Host`, `Host.hooks`. */
const membersOf = (path: string): readonly ts.Symbol[] => {
  const checker = program.getTypeChecker();
  const [first = '', ...rest] = path.split('.');
  const symbol = exportsOf('pciback/plugin').get(first);
  if (symbol === undefined) throw new Error(`pciback/plugin has no ${first}`);
  let type = checker.getDeclaredTypeOfSymbol(symbol);
  for (const name of rest) type = checker.getTypeOfSymbol(checker.getPropertyOfType(type, name) as ts.Symbol);
  return checker.getPropertiesOfType(type);
};

describe('what an editor shows', () => {
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
    const members = membersOf(path);
    expect(members.length).toBeGreaterThanOrEqual(least);
    const silent = members.filter(
      (member) => ts.displayPartsToString(member.getDocumentationComment(program.getTypeChecker())).trim() === '',
    );
    expect(silent.map(({ name }) => name)).toEqual([]);
  });
});

/** What is wrong with a page of the types; `undefined`: nothing, or the number was raised and the page is to be written anew. */
const complaint = (page: string, types: string, version: string): string | undefined => {
  const [, was = ''] = /^Version (\d+\.\d+\.\d+)/m.exec(page) ?? [];
  if (page.endsWith(types) || was !== version) return undefined;
  return `the types of the plugin API changed, and API_VERSION of core/plugin/definition.ts is still ${was}: raise it, see docs/decisions/0030`;
};

describe('the number of the plugin API', () => {
  const file = resolve(import.meta.dirname, '../../docs/reference/plugin-api.md');
  const types = doorTypes();
  const page = `# The types of the plugin API

Version ${API_VERSION}. Generated; what each is for stands in the comments of the code, where an editor shows it. A plugin says which versions it was
written for (\`api: '^1.2'\`). [When the number moves](../decisions/0030-the-number-of-the-plugin-api.md).

${types}`;

  it('moves with the types of its doors', () => {
    const before = readFileSync(file, 'utf8');
    expect(complaint(before, types, API_VERSION)).toBeUndefined();
    if (process.env.UPDATE_REFERENCE === '1') writeFileSync(file, page);
    expect(readFileSync(file, 'utf8')).toBe(page);
  });

  it('is missed where a type changed without it', () => {
    const changed = types.replace(/^interface Host \{$/m, 'interface Host {\n    readonly one: string;');
    expect(changed).not.toBe(types);
    expect(complaint(page, changed, API_VERSION)).toContain(`is still ${API_VERSION}`);
    expect(complaint(page, changed, '99.0.0')).toBeUndefined();
    expect(complaint(page, types, API_VERSION)).toBeUndefined();
  });
});
