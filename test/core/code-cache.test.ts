// SPDX-License-Identifier: MIT

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compiledChunk, compiledChunks } from '../../core/code-cache.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-cache-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const answering = (answer: number): string => `(function(){"use strict";return ${answer}})`;

/** A folder with a chunk of its own: what this process has compiled already, the engine takes from its memory. */
const folderWith = (answer: number): string => {
  const folder = mkdtempSync(join(home, 'chunks-'));
  writeFileSync(join(folder, 'core.cjs'), answering(answer));
  return folder;
};

/** Runs the chunk; what it answers, and whether it came from the cache. */
const run = (folder: string) => {
  const answer = (compiledChunk(folder, 'core') as () => number)();
  return { answer, isCached: compiledChunks.at(-1)?.isCached };
};

/** What is kept of a chunk that answers 1. */
const made = () => {
  run(folderWith(1));
  const last = compiledChunks.at(-1);
  if (last === undefined) throw new Error('nothing was compiled');
  return { source: last.source, data: last.script.createCachedData(), file: basename(last.cache) };
};

describe('a chunk that was compiled before', () => {
  it('is taken from its cache', () => {
    const { source, data, file } = made();
    const folder = folderWith(1);
    writeFileSync(join(folder, file), Buffer.concat([source, data]));
    expect(run(folder)).toEqual({ answer: 1, isCached: true });
  });

  it.each([2, 333])('is compiled anew when its source is another, even of the same length: %i', (answer) => {
    const { source, data, file } = made();
    const folder = folderWith(answer);
    writeFileSync(join(folder, file), Buffer.concat([source, data]));
    expect(run(folder)).toEqual({ answer, isCached: false });
  });

  it.each([
    ['nothing', () => Buffer.alloc(0)],
    ['something else', () => Buffer.alloc(1000, 7)],
    ['a part of it', (data: Buffer) => data.subarray(0, data.length >> 1)],
    [
      'another version of the engine',
      (data: Buffer) => {
        const changed = Buffer.from(data);
        // The second word tells the version.
        changed.writeUInt32LE((changed.readUInt32LE(4) ^ 1) >>> 0, 4);
        return changed;
      },
    ],
  ])('is compiled anew when the engine does not accept the cache: %s', (_what, change) => {
    const { source, data, file } = made();
    const folder = folderWith(1);
    writeFileSync(join(folder, file), Buffer.concat([source, change(data)]));
    expect(run(folder)).toEqual({ answer: 1, isCached: false });
  });

  it('writes nothing, and looks only beside the source, for this engine and processor', () => {
    const folder = folderWith(1);
    run(folder);
    expect(readdirSync(folder)).toEqual(['core.cjs']);
    const { versions, arch } = process;
    expect(compiledChunks.at(-1)?.cache).toBe(join(folder, `core.${versions.v8}-${arch}.cache`));
  });
});
