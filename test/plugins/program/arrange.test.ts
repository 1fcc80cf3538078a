// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { definePlugin } from '../../../core/plugin/index.ts';
import { ownPackage } from '../../../plugins/package-folder.ts';
import { byNeeds, byPrecedence, type FoundThing } from '../../../plugins/program/arrange.ts';

const found = (
  name: string,
  more: { readonly needs?: unknown; readonly version?: string; readonly origin?: string; readonly rank?: number } = {},
): FoundThing => {
  const { needs, version = '1.2.3', origin = `/${name}.js`, rank = 0 } = more;
  const thing = definePlugin({
    name,
    version,
    api: '^1.0',
    apply: () => {},
    ...(needs === undefined ? {} : { needs: needs as Record<string, string> }),
  });
  return { thing, options: undefined, origin, rank };
};
const quirk: FoundThing = {
  thing: { kind: 'quirk', name: 'acme/nic', source: 'x', match: [], sets: [], surgery: [] },
  options: undefined,
  origin: '/nic.json',
  rank: 0,
};
const order = (...all: readonly FoundThing[]): string[] => byNeeds(all).map(({ thing }) => thing.name);

describe('plugins that need each other', () => {
  it('what is needed is loaded before; all else keeps its place', () => {
    const top = found('top', { needs: { middle: '^1.0', 'acme/nic': '*' } });
    const middle = found('middle', { needs: { ground: '>=1.2' } });
    expect(order(found('a'), top, found('b'), middle, found('ground'), quirk)).toEqual([
      'a',
      'ground',
      'middle',
      'acme/nic',
      'top',
      'b',
    ]);
  });

  it('a bundled one has the version of pciback', () => {
    const { version } = ownPackage();
    const ledger = found('ledger', { origin: 'bundled', version: '0.0.0' });
    expect(order(found('top', { needs: { ledger: version } }), ledger)).toEqual(['ledger', 'top']);
    expect(() => order(found('top', { needs: { ledger: '^0.0.0-none' } }), ledger)).toThrow(`${version} is loaded`);
  });

  it('a pre-release counts as the version that it leads to', () => {
    expect(order(found('top', { needs: { base: '^2.0' } }), found('base', { version: '2.1.0-rc.1' }))).toEqual([
      'base',
      'top',
    ]);
  });

  it.each([
    [[found('top', { needs: { bose: '^1.0' } }), found('base')], 'top needs "bose" ^1.0, which is not loaded', 'base'],
    [
      [found('top', { needs: { base: '^2.0' } }), found('base')],
      'top needs "base" ^2.0, and 1.2.3 is loaded',
      undefined,
    ],
    [[found('top', { needs: { base: 'new' } }), found('base')], '"new", which is no semver range', undefined],
    [[found('top', { needs: { base: 2 } }), found('base')], '"2", which is no semver range', undefined],
    [
      [
        found('x'),
        found('a', { needs: { b: '*' } }),
        found('b', { needs: { c: '*' } }),
        found('c', { needs: { b: '*' } }),
      ],
      'plugin b and others need each other: b, c, b',
      undefined,
    ],
    [[found('a', { needs: { a: '*' } })], 'plugin a and others need each other: a, a', undefined],
  ])('%#: are refused', (all, why, nearest) => {
    const refused = () => byNeeds(all);
    expect(refused).toThrow(
      expect.objectContaining({ code: 'PLUGIN_NEEDS', facts: expect.objectContaining({ nearest }) }),
    );
    expect(refused).toThrow(why);
  });
});

describe('precedence', () => {
  it('of two with one name that of the lower rank counts, and the other is told', () => {
    const own = found('acme/nic', { rank: 0, origin: '/rc/nic.ts' });
    const dropped = found('acme/nic', { rank: 1, origin: '/etc/nic.json' });
    const other = found('acme/other', { rank: 1 });
    const bundled = found('acme/nic', { rank: 3, origin: 'bundled' });
    expect(byPrecedence([bundled, dropped, other, own])).toEqual({
      counting: [other, own],
      passedOver: [
        { name: 'acme/nic', kind: 'plugin', origin: 'bundled', by: '/rc/nic.ts' },
        { name: 'acme/nic', kind: 'plugin', origin: '/etc/nic.json', by: '/rc/nic.ts' },
      ],
    });
  });

  it('of one rank neither: whoever loads them says that there are two', () => {
    const [one, other] = [found('a', { origin: '/1' }), found('a', { origin: '/2' })];
    expect(byPrecedence([one, other])).toEqual({ counting: [one, other], passedOver: [] });
  });

  it('a file that is named and lies in a folder is one', () => {
    const [named, there] = [found('a', { origin: '/1' }), found('a', { origin: '/1', rank: 1 })];
    expect(byPrecedence([there, named])).toEqual({ counting: [named], passedOver: [] });
  });
});
