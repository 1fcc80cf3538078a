// SPDX-License-Identifier: MIT

import { dirname, join } from 'node:path/posix';
import { describe, expect, it } from 'vitest';
import { compositionRoots, type Import, importsOf, sourceFiles } from './tools/imports.ts';

const QUIRK_HELPERS = 'core/quirk/quirk.ts';

/** `plugins/slots/vpci.ts` and `plugins/platforms/xen/grants.ts` belong to `slots/vpci` and `platforms/xen`. */
const unitOf = (path: string): string => path.split('/').slice(1, 3).join('/').replace(/\.ts$/, '');

const reasonAgainst = (files: ReadonlyMap<string, string>, from: string, to: Import): string | undefined => {
  if (!to.module.startsWith('.')) {
    return from.startsWith('quirks/') ? `a quirk imports ${QUIRK_HELPERS} only` : undefined;
  }
  const target = join(dirname(from), to.module);
  const [top] = target.split('/');
  if (!files.has(target)) return 'there is no such file';
  if (from.startsWith('core/')) return top === 'core' ? undefined : 'core imports nothing above it';
  if (from.startsWith('quirks/')) return target === QUIRK_HELPERS ? undefined : `a quirk imports ${QUIRK_HELPERS} only`;
  if (top === 'core') return undefined;
  if (top === 'test') return 'plugins never import the tests';
  if (compositionRoots.has(from)) return undefined;
  if (top === 'quirks') return 'quirks are loaded, not imported';
  if (unitOf(from) === unitOf(target)) return undefined;
  const [, group, ...rest] = target.split('/');
  // A small module beside the folders, which several plugins share.
  if (rest.length === 0) return undefined;
  if (group !== from.split('/')[1]) return 'a plugin of another kind';
  if (rest.length > 1 || (files.get(target) ?? '').includes('definePlugin(')) return 'another plugin';
  return undefined;
};

/** Every import that points the wrong way, as "file → module: why". */
const wrongImports = (files: ReadonlyMap<string, string>): readonly string[] =>
  [...files].flatMap(([path, text]) =>
    importsOf(text).flatMap((each) => {
      const reason = reasonAgainst(files, path, each);
      return reason === undefined ? [] : [`${path} → ${each.module}: ${reason}`];
    }),
  );

describe('imports point one way', () => {
  it('in core, plugins and quirks', () => {
    const files = sourceFiles();
    expect(files.size).toBeGreaterThan(50);
    expect(wrongImports(files)).toEqual([]);
  });

  const house: Readonly<Record<string, string>> = {
    'core/bdf.ts': 'export const a = 1;',
    'core/quirk/quirk.ts': 'export const b = 1;',
    'plugins/columns.ts': 'export const g = 1;',
    'plugins/bundled.ts': 'export const load = () => import("./slots/vpci.ts");',
    'plugins/slots/vpci.ts': 'export default definePlugin({});',
    'plugins/slots/order.ts': 'export const c = 1;',
    'plugins/native/loader.ts': 'export const d = 1;',
    'plugins/native/koffi/index.ts': 'export default definePlugin({});',
    'plugins/platforms/steps.ts': 'export const h = 1;',
    'plugins/platforms/xen/index.ts': 'export const e = 1;',
    'plugins/platforms/xen/bus.ts': 'export const f = 1;',
    'quirks/acme/card.ts': 'import { b } from "../../core/quirk/quirk.ts";',
  };
  const judge = (path: string, text: string): readonly string[] =>
    wrongImports(new Map(Object.entries({ ...house, [path]: text })));

  it.each([
    ['core/ring.ts', 'import { a } from "./bdf.ts"; import { z } from "zod";'],
    ['plugins/slots/passthrough.ts', 'import { a } from "../../core/bdf.ts"; import { c } from "./order.ts";'],
    ['plugins/native/koffi/call.ts', 'import { d } from "../loader.ts"; export * from "./index.ts";'],
    ['plugins/commands/main.ts', 'const one = await import("../slots/vpci.ts");'],
    ['plugins/commands/serve.ts', 'import { load } from "../bundled.ts"; // import "../slots/vpci.ts"'],
    ['plugins/commands/main.ts', 'import vpci from "../slots/vpci.ts";'],
    ['plugins/commands/setup.ts', 'import { e } from "../platforms/xen/index.ts";'],
    ['plugins/start.ts', 'import { f } from "./platforms/xen/bus.ts";'],
    ['plugins/platforms/xen/grants.ts', 'import { h } from "../steps.ts"; import { g } from "../../columns.ts";'],
  ])('allows %s: %s', (path, text) => {
    expect(judge(path, text)).toEqual([]);
  });

  it.each([
    ['core/ring.ts', 'import { d } from "../plugins/native/loader.ts";', 'core imports nothing above it'],
    ['core/ring.ts', 'type D = import("../plugins/native/loader.ts").D;', 'core imports nothing above it'],
    ['core/ring.ts', 'import { x } from "./gone.ts";', 'there is no such file'],
    ['plugins/slots/passthrough.ts', 'import vpci from "./vpci.ts";', 'another plugin'],
    ['plugins/slots/passthrough.ts', 'const vpci = await import("./vpci.ts");', 'another plugin'],
    ['plugins/native/ffi-napi/index.ts', 'export * from "../koffi/index.ts";', 'another plugin'],
    ['plugins/slots/passthrough.ts', 'import { d } from "../native/loader.ts";', 'a plugin of another kind'],
    ['plugins/commands/demo.ts', 'import { e } from "../platforms/xen/index.ts";', 'a plugin of another kind'],
    ['plugins/platforms/xen/bus.ts', 'import { d } from "../../native/loader.ts";', 'a plugin of another kind'],
    ['plugins/commands/demo.ts', 'import { f } from "../platforms/xen/bus.ts";', 'a plugin of another kind'],
    ['plugins/slots/passthrough.ts', 'import "../../quirks/acme/card.ts";', 'quirks are loaded, not imported'],
    ['quirks/acme/other.ts', 'import { a } from "../../core/bdf.ts";', `a quirk imports ${QUIRK_HELPERS} only`],
    ['quirks/acme/other.ts', 'import fs from "node:fs";', `a quirk imports ${QUIRK_HELPERS} only`],
  ])('refuses %s: %s', (path, text, reason) => {
    expect(judge(path, text)).toEqual([expect.stringContaining(reason)]);
  });
});
