// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** Strict, with nothing of node's and nothing that the file does not import. */
const alone: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: [],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
};

const folder = mkdtempSync(join(tmpdir(), 'pciback-door-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes the declarations of the door and of all that it reaches, as the build makes them. */
const emitDoor = (): void => {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.build.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const only = { ...options, outDir: folder, emitDeclarationOnly: true, sourceMap: false };
  ts.createProgram([join(root, 'quirks/index.ts')], only).emit();
};

/** What the compiler says to a vendor's file, and the files that it read for that. */
const compile = (
  name: string,
  text: string,
): { readonly said: readonly string[]; readonly files: readonly string[] } => {
  const file = join(folder, name);
  writeFileSync(file, text);
  const program = ts.createProgram([file], alone);
  return {
    said: ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' ')),
    files: program
      .getSourceFiles()
      .filter((one) => !program.isSourceFileDefaultLibrary(one))
      .map((one) => one.fileName),
  };
};

const card = `
import {
  type Behaviour, bit, bits, capability, clearOnly, defineQuirk, header, hide, ids, lock, onlyValues, onlyWhile,
  register, stateOf, Status,
} from './quirks/index.js';

const state = stateOf('ticket');
const semaphore: Behaviour = {
  shared: state,
  write: (at, value) => {
    at.words[state.ticket] = value & at.mask;
    at.write(value);
    return Status.success;
  },
};
const key = lock({ value: 0x57 });

export default defineQuirk({
  name: 'acme/card',
  source: 'a data sheet',
  match: [...ids('1234', ['5678']), { vendor: 0x1234, revisions: { from: 0, to: 1 } }],
  fields: [
    register(0x40, 8, 'key').calls(key.key()),
    register(0x41, 8, 'off').calls(key.opens([1]), bit(0)).readOnly(),
    register(0x44, 32, 'semaphore').calls(semaphore),
    register(0x48, 32, 'window').calls(onlyWhile(({ words }) => words[state.ticket] !== 0, 'not held', state)),
    register(0x4c, 16, 'latency').calls(onlyValues([1, 2], 'one or two'), bits(3, 0)),
    header('smi', [0], [register(0x6c, 16, 'enables').calls(clearOnly('no'), 0xe03f)], {
      when: (device, base) => device.readConfig(base + 0x68, 1) === 1,
    }),
    capability(0x09, 'vendor', [register(0x04, 32, 'ids').shows(({ identity }) => identity.vendor)]),
  ],
  surgery: [hide(0x03)],
  interruptLimits: { maskingBroken: true },
});
`;

describe('the types of the door pciback/quirk', () => {
  beforeAll(emitDoor, 60_000);

  it('need no types of node, and reach no other package', () => {
    const { said, files } = compile('card.mts', card);
    expect(said).toEqual([]);
    expect(files).toContain(join(folder, 'quirks/index.d.ts'));
    expect(files.filter((file) => !file.startsWith(folder))).toEqual([]);
  }, 60_000);

  it('are checked: what they do not have is an error, and so is what node alone has', () => {
    const wrong = `import { defineQuirk, nothing } from './quirks/index.js';
      export const size = (data: Buffer): number => data.length;
      export default defineQuirk({ name: 'acme/card', source: 'x', match: [], interruptLimits: { maskingBroken: false } });`;
    const { said } = compile('wrong.mts', wrong);
    expect(said.join('\n')).toMatch(/nothing/);
    expect(said.join('\n')).toMatch(/Buffer/);
    expect(said.join('\n')).toMatch(/'false' is not assignable to type 'true'/);
    expect(said).toHaveLength(3);
  }, 60_000);
});
