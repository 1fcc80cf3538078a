// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { silent } from '../../../core/log.ts';
import { definePlugin, type Host } from '../../../core/plugin/index.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import { kinds } from '../../../plugins/kinds/kinds.ts';
import { parseConfig } from '../../../plugins/program/rc-file.ts';
import { checkSections, declaredSections } from '../../../plugins/program/sections.ts';

const room = z.strictObject({ size: z.number().default(3) }).prefault({});

const registriesOf = async (apply: (host: Host) => void) => {
  const plugins = new PluginHost({ kinds, log: silent });
  await plugins.load(definePlugin({ name: 'test/sections', api: '^1.0', apply }), undefined, 'test');
  return plugins.registries;
};

const withBoth = () =>
  registriesOf((host) => {
    host.parts.add('journal', { about: 'a part', options: room });
    host.parts.add('web', { about: 'a part with a section of another name', section: 'page', options: room });
    host.parts.add('plain', { about: 'a part without a section' });
    host.platforms.add('moon', {
      about: 'a platform',
      options: room,
      create: () => Promise.reject(new Error('not in a test')),
    });
    host.platforms.add('sun', () => Promise.reject(new Error('not in a test')));
  });

describe('sections of the rc file', () => {
  it('are those of parts and platforms with a schema', async () => {
    const found = declaredSections(await withBoth());
    expect(found.map(({ name }) => name)).toEqual(['moon', 'journal', 'page']);
  });

  it.each<[object, string, string | undefined]>([
    [{ jurnal: {} }, 'jurnal', 'journal'],
    [{ slot: 'vpci' }, 'slot', 'slots'],
    [{ plain: {} }, 'plain', undefined],
    [{ sun: {} }, 'sun', undefined],
    [{ web: {} }, 'web', undefined],
    [JSON.parse('{ "__proto__": {} }'), '__proto__', undefined],
    [{ constructor: {} }, 'constructor', undefined],
    [{ journal: { sice: 4 } }, 'journal.sice', 'size'],
    [{ moon: { size: 'x' } }, 'moon.size', undefined],
    [{ page: 3 }, 'page', undefined],
  ])('%j is refused when the plugins are loaded', async (input, key, nearest) => {
    const config = await parseConfig(input, 'rc.json', '/');
    const registries = await withBoth();
    let refusal: unknown;
    try {
      checkSections(config, registries);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toMatchObject({ code: 'CONFIG_INVALID', facts: { file: 'rc.json', key, nearest } });
  });

  it('are accepted where they are as their schemas say', async () => {
    const config = await parseConfig({ journal: { size: 8 }, moon: {} }, 'rc.json', '/');
    const registries = await withBoth();
    expect(() => checkSections(config, registries)).not.toThrow();
  });

  it('one that two have, or that is a key of the core, is refused', async () => {
    const twice = await registriesOf((host) => {
      host.parts.add('a', { about: 'a', section: 'page', options: room });
      host.parts.add('b', { about: 'b', section: 'page', options: room });
    });
    const config = await parseConfig({}, 'rc.json', '/');
    expect(() => checkSections(config, twice)).toThrow(/section "page", which test\/sections already registered/);
    const core = await registriesOf((host) => {
      host.parts.add('slots', { about: 'a', options: room });
    });
    expect(() => checkSections(config, core)).toThrow(/section "slots", which the core already registered/);
  });
});
