// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { circles, sourceFiles } from './tools/imports.ts';

describe('imports between folders make no circle', () => {
  it('in core, plugins and quirks, types included', () => {
    const files = sourceFiles();
    expect(files.size).toBeGreaterThan(50);
    expect(circles(files).join('\n')).toBe('');
  });

  const house: Readonly<Record<string, string>> = {
    'core/bdf.ts': 'export const bdf = 1;',
    'core/ring/layout.ts': 'import { bdf } from "../bdf.ts"; export interface Page {}',
    'core/ring/ring.ts': 'import type { Page } from "./layout.ts";',
    'core/space/table.ts': 'import { Page } from "../ring/layout.ts"; export const table = 1;',
    'plugins/bundled.ts': 'export const load = () => import("./slots/vpci.ts");',
    'plugins/slots/vpci.ts': 'import { load } from "../bundled.ts"; import { z } from "zod";',
    'plugins/platforms/xen/bus.ts': 'export const bus = 1;',
    'plugins/platforms/embedded/bus.ts': 'export const bus = 1;',
  };
  const judge = (more: Readonly<Record<string, string>>): readonly string[] =>
    circles(new Map(Object.entries({ ...house, ...more })));

  it('nor in a small house', () => {
    expect(judge({})).toEqual([]);
  });

  it.each([
    ['import { table } from "../space/table.ts";', 'table'],
    ['import type { table as t } from "../space/table.ts";', 'table'],
    ['import { type table } from "../space/table.ts";', 'table'],
    ['import * as all from "../space/table.ts";', '*'],
    ['export { table } from "../space/table.ts";', 'table'],
    ['export type * from "../space/table.ts";', '*'],
    ['type T = import("../space/table.ts").table;', 'table'],
    ['const late = import("../space/table.ts");', '*'],
  ])('and one that is put in is found: %s', (text, names) => {
    expect(judge({ 'core/ring/ring.ts': text })).toEqual([
      [
        'core/ring ↔ core/space',
        `core/ring/ring.ts → core/space/table.ts: ${names}`,
        'core/space/table.ts → core/ring/layout.ts: Page',
      ].join('\n  '),
    ]);
  });

  it('and one through a third folder, or a file beside the folders', () => {
    const more = { 'core/bdf.ts': 'import { table } from "./space/table.ts";' };
    expect(judge(more)).toEqual([expect.stringMatching(/^core\/bdf\.ts ↔ core\/ring ↔ core\/space\n/)]);
  });

  it('and one between two plugins of a kind', () => {
    const circle = judge({
      'plugins/platforms/xen/bus.ts': 'import "../embedded/bus.ts";',
      'plugins/platforms/embedded/bus.ts': 'import "../xen/bus.ts";',
    });
    expect(circle).toEqual([expect.stringMatching(/^plugins\/platforms\/embedded ↔ plugins\/platforms\/xen\n/)]);
  });

  it('and one that only the folders around them make', () => {
    const circle = judge({
      'plugins/platforms/xen/bus.ts': 'import "../../slots/map.ts";',
      'plugins/slots/map.ts': 'export const map = 1;',
      'plugins/slots/vpci.ts': 'import "../platforms/embedded/bus.ts";',
    });
    expect(circle).toEqual([expect.stringMatching(/^plugins\/platforms ↔ plugins\/slots\n/)]);
  });
});
