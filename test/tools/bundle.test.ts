// SPDX-License-Identifier: MIT

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** The tools of the build are plain JavaScript; this is the part of them that is used here. */
interface Bundling {
  readonly atHand: { transform(code: string, id: string): string | undefined };
}
const load = (file: string): Promise<unknown> => import(/* @vite-ignore */ join(import.meta.dirname, file));
const { atHand } = (await load('bundle.mjs')) as Bundling;

const LIST = '/a/dist/plugins/bundled.js';
const entry = (byDefault: boolean, rest = ''): string =>
  `'a/b': { byDefault: ${byDefault}, ${rest}load: () => import("./a/b.js") },`;

describe('the list of bundled plugins, in the bundle', () => {
  it('imports at once what is loaded by default', () => {
    expect(atHand.transform(entry(true), LIST)).toBe(
      `import plugin0 from "./a/b.js";\n'a/b': { byDefault: true, load: () => Promise.resolve({ default: plugin0 }) },`,
    );
    expect(atHand.transform(entry(true, "command: 'b',\n  "), LIST)).not.toContain('import(');
  });

  it('imports on demand what is not', () => {
    expect(atHand.transform(`${entry(true)}\n${entry(false)}`, LIST)?.split('\n')[2]).toBe(entry(false));
  });

  it('must be in a form that is known', () => {
    expect(() => atHand.transform(entry(false), LIST)).toThrow(/lists no plugin that is imported by default/);
  });

  it('is the only module that is written differently', () => {
    expect(atHand.transform(entry(true), '/a/dist/plugins/other.js')).toBeUndefined();
  });
});
