// SPDX-License-Identifier: MIT

import { join } from 'node:path';
import ts from 'typescript';
import { expect } from 'vitest';

/** Declarations that are read once for all projects: those of zod and of the language take seconds. */
const declarations = new Map<string, ts.SourceFile | undefined>();
const hostOf = (options: ts.CompilerOptions): ts.CompilerHost => {
  const host = ts.createCompilerHost(options);
  return {
    ...host,
    getSourceFile: (file, ...rest) => {
      if (!file.endsWith('.d.ts')) return host.getSourceFile(file, ...rest);
      if (!declarations.has(file)) declarations.set(file, host.getSourceFile(file, ...rest));
      return declarations.get(file);
    },
  };
};

/** What the compiler says to a project; it writes what the project's tsconfig.json asks for. */
export const compile = (folder: string): readonly string[] => {
  const { config } = ts.readConfigFile(join(folder, 'tsconfig.json'), ts.sys.readFile);
  const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, folder);
  expect(options).toMatchObject({ strict: true, skipLibCheck: false });
  const program = ts.createProgram(fileNames, options, hostOf(options));
  const { diagnostics } = program.emit();
  return [...ts.getPreEmitDiagnostics(program), ...diagnostics].map(
    ({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
  );
};
