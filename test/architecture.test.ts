// SPDX-License-Identifier: MIT

import { dirname, join } from 'node:path/posix';
import { describe, expect, it } from 'vitest';
import { type Import, importsOf, isCompositionRoot, sourceFiles } from './tools/imports.ts';

/** The core's half of what the package offers to plugins, `pciback/plugin`; the other is plugins/kinds. */
const PLUGIN_DOOR = 'core/plugin/index.ts';
/** `pciback`: what any plugin can import, a stranger's too. */
const MAIN_DOOR = 'plugins/program/index.ts';
/** Families of plugins that could lie outside of the package as they are: what they need of core, everybody can have. */
const THROUGH_DOORS = new Set(['fields', 'interrupts', 'policies', 'slots']);
const NOT_FOR_VENDORS = 'the file of a vendor imports what lies beside the vendors only';
const NOT_FOR_BLOCKS = 'what vendors share imports core/quirk, and what registers are declared with, only';
/** What {@link NOT_FOR_BLOCKS} says. */
const GROUND_OF_QUIRKS = /^(core\/(quirk|space|ring|errors)\/|quirks\/[^/]+\.ts$)/;

/** `plugins/slots/vpci.ts` and `plugins/platforms/xen/grants.ts` belong to `slots/vpci` and `platforms/xen`. */
const unitOf = (path: string): string => path.split('/').slice(1, 3).join('/').replace(/\.ts$/, '');

const reasonAgainst = (files: ReadonlyMap<string, string>, from: string, to: Import): string | undefined => {
  const isShared = /^quirks\/[^/]+\.ts$/;
  const notForQuirks = isShared.test(from) ? NOT_FOR_BLOCKS : NOT_FOR_VENDORS;
  if (!to.module.startsWith('.')) return from.startsWith('quirks/') ? notForQuirks : undefined;
  const target = join(dirname(from), to.module);
  const [top] = target.split('/');
  if (!files.has(target)) return 'there is no such file';
  if (from.startsWith('core/')) return top === 'core' ? undefined : 'core imports nothing above it';
  if (from.startsWith('quirks/')) {
    return (isShared.test(from) ? GROUND_OF_QUIRKS : isShared).test(target) ? undefined : notForQuirks;
  }
  const [, family = ''] = from.split('/');
  if (top === 'core') {
    return THROUGH_DOORS.has(family) && target !== PLUGIN_DOOR ? 'it is not in a door of the package' : undefined;
  }
  if (top === 'test') return 'plugins never import the tests';
  if (isCompositionRoot(from)) return undefined;
  if (top === 'quirks') return 'quirks are loaded, not imported';
  if (unitOf(from) === unitOf(target)) return undefined;
  const [, group, ...rest] = target.split('/');
  if (group === 'program') {
    return family === 'commands' || target === MAIN_DOOR ? undefined : 'the program stands above the plugins';
  }
  // A small module beside the folders, which several plugins share, and what the kinds of things are.
  if (rest.length === 0 || group === 'kinds') return undefined;
  if (group !== family) return 'a plugin of another kind';
  // A plugin is what its module exports as default; a helper that several of a family share exports none.
  if (rest.length > 1 || /^export default /m.test(files.get(target) ?? '')) return 'another plugin';
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
    'core/plugin/index.ts': 'export { a } from "../bdf.ts";',
    'plugins/columns.ts': 'export const g = 1;',
    'plugins/program/index.ts': 'export const j = 1;',
    'plugins/program/start.ts': 'export const k = 1;',
    'plugins/bundled.ts': 'export const load = () => import("./slots/vpci.ts");',
    'plugins/slots/vpci.ts': 'export default definePlugin({});',
    'plugins/slots/order.ts': 'export const c = () => definePlugin({});',
    'plugins/native/loader.ts': 'export const d = 1;',
    'plugins/native/koffi/index.ts': 'export default definePlugin({});',
    'plugins/platforms/steps.ts': 'export const h = 1;',
    'plugins/platforms/xen/index.ts': 'export const e = 1;',
    'plugins/platforms/xen/bus.ts': 'export const f = 1;',
    'quirks/acme/card.ts': 'import { i } from "../retry.ts";',
    'quirks/retry.ts': 'import { b } from "../core/quirk/quirk.ts"; export const i = 1;',
  };
  const judge = (path: string, text: string): readonly string[] =>
    wrongImports(new Map(Object.entries({ ...house, [path]: text })));

  it.each([
    ['core/ring.ts', 'import { a } from "./bdf.ts"; import { z } from "zod";'],
    ['plugins/slots/passthrough.ts', 'import { a } from "../../core/plugin/index.ts"; import { c } from "./order.ts";'],
    ['plugins/fields/card.ts', 'import { a } from "../../core/plugin/index.ts"; import { z } from "zod";'],
    ['plugins/native/koffi/hex.ts', 'import { a } from "../../../core/bdf.ts";'],
    ['plugins/native/koffi/call.ts', 'import { d } from "../loader.ts"; export * from "./index.ts";'],
    ['plugins/commands/main.ts', 'const one = await import("../slots/vpci.ts");'],
    ['plugins/commands/serve.ts', 'import { load } from "../bundled.ts"; // import "../slots/vpci.ts"'],
    ['plugins/commands/main.ts', 'import vpci from "../slots/vpci.ts";'],
    ['plugins/commands/setup.ts', 'import { e } from "../platforms/xen/index.ts";'],
    ['plugins/program/start.ts', 'import { f } from "../platforms/xen/bus.ts"; import "../../quirks/retry.ts";'],
    ['plugins/commands/serve.ts', 'import { k } from "../program/start.ts";'],
    ['plugins/native/koffi/call.ts', 'import { j } from "../../program/index.ts";'],
    ['quirks/more.ts', 'import { b } from "../core/quirk/quirk.ts"; import { i } from "./retry.ts";'],
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
    [
      'plugins/slots/passthrough.ts',
      'import { k } from "../program/start.ts";',
      'the program stands above the plugins',
    ],
    ['plugins/slots/passthrough.ts', 'import "../../quirks/acme/card.ts";', 'quirks are loaded, not imported'],
    ['plugins/slots/passthrough.ts', 'import { a } from "../../core/bdf.ts";', 'not in a door'],
    ['plugins/fields/card.ts', 'import type { a } from "../../core/bdf.ts";', 'not in a door'],
    ['plugins/fields/card.ts', 'import type { b } from "../../core/quirk/quirk.ts";', 'not in a door'],
    ['quirks/acme/other.ts', 'import { b } from "../../core/quirk/quirk.ts";', NOT_FOR_VENDORS],
    ['quirks/more.ts', 'import card from "./acme/card.ts";', NOT_FOR_BLOCKS],
    ['quirks/more.ts', 'import { a } from "../core/bdf.ts";', NOT_FOR_BLOCKS],
    ['quirks/more.ts', 'import fs from "node:fs";', NOT_FOR_BLOCKS],
    ['quirks/acme/other.ts', 'import card from "./card.ts";', NOT_FOR_VENDORS],
    ['quirks/acme/other.ts', 'import fs from "node:fs";', NOT_FOR_VENDORS],
  ])('refuses %s: %s', (path, text, reason) => {
    expect(judge(path, text)).toEqual([expect.stringContaining(reason)]);
  });
});
