// SPDX-License-Identifier: MIT

import type { Script } from 'node:vm';

// An import would make Node load all that these modules load when they are used.
const { readFileSync } = process.getBuiltinModule('node:fs');
const { join } = process.getBuiltinModule('node:path');
const vm = process.getBuiltinModule('node:vm');

/** A chunk that was compiled, for whoever makes its cache. */
export interface CompiledChunk {
  readonly script: Script;
  readonly source: Buffer;
  /** Where its cache lies, or would lie. */
  readonly cache: string;
  readonly isCached: boolean;
}

export const compiledChunks: CompiledChunk[] = [];

const readIfThere = (file: string): Buffer | undefined => {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
};

/**
 * Compiles a chunk of the bundle, or takes what the engine made of it when the package was built.
 *
 * What lies beside the code is trusted as the code is; nothing is ever written or looked for elsewhere. The engine tells
 * sources apart by their length only, so a cache begins with the source that it was made from. One for another version
 * or another processor has another name, and what the engine does not accept for other reasons is compiled anew.
 *
 * @returns the function that the chunk's file consists of
 */
export const compiledChunk = (directory: string, name: string): unknown => {
  const file = join(directory, `${name}.cjs`);
  const cache = join(directory, `${name}.${process.versions.v8}-${process.arch}.cache`);
  const source = readFileSync(file);
  const kept = readIfThere(cache);
  const isFresh = kept?.subarray(0, source.length).equals(source) === true;
  const script = new vm.Script(source.toString('latin1'), {
    filename: file,
    ...(isFresh ? { cachedData: kept.subarray(source.length) } : {}),
  });
  compiledChunks.push({ script, source, cache, isCached: isFresh && script.cachedDataRejected === false });
  return script.runInThisContext();
};
