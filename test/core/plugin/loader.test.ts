// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Logger } from '../../../core/log.ts';
import { silent } from '../../../core/log.ts';
import { definePlugin, type Host, hide } from '../../../core/plugin/index.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import { defineQuirk } from '../../../core/quirk/quirk.ts';
import { header, register } from '../../../core/space/declaration.ts';
import { kinds } from '../../../plugins/kinds/kinds.ts';
import { refuseOverlap } from '../../../plugins/program/overlap.ts';
import { explainIssue } from '../../../plugins/schema-issue.ts';
import { ids } from '../../../quirks/index.ts';

const terms = { kinds, check: refuseOverlap, explain: explainIssue, log: silent };
const makeHost = (api?: string) => new PluginHost(api === undefined ? terms : { ...terms, api });
const nothing = () => {};
const named = (name: string, apply: (host: Host) => void = nothing, api = '^1.0') => definePlugin({ name, api, apply });

const device = { bdf: 0, identity: {} } as never;

/** Everything that is registered and tapped now, as text. */
const contents = (host: PluginHost) => ({
  ...Object.fromEntries(Object.entries(host.registries).map(([kind, registry]) => [kind, registry.names])),
  taps: host.hooks.point('deviceSeized').taps,
});

const everything = (host: Host) => {
  host.fields.add(header('a set', [0], [register(0x40, 8, 'one').writable()]));
  host.quirks.add(
    defineQuirk({
      name: 'v/q',
      source: 's',
      match: ids('8086', ['0001']),
      fields: [register(0x50, 8, 'r').writable()],
    }),
  );
  host.surgery.add('h', hide(0x10));
  host.slots.add('s', { create: () => ({}) as never });
  host.watches.add('w', { longest: 1, wakeUps: 1000, shortest: 0, patience: 0 });
  host.interrupts.add('i', { allowsControlWord: () => false });
  host.interruptDrivers.add('d', (() => ({})) as never);
  host.answerers.add('a', (() => ({})) as never);
  host.parts.add('part', { about: '' });
  host.platforms.add('p', async () => ({}) as never);
  host.natives.add('n', async () => ({}) as never);
  host.commands.add({ name: 'c', summary: '', run: async () => 0 });
  host.guestSystems.add('g', {} as never);
  host.hooks.deviceSeized.tap(() => {});
  host.hooks.deviceSeized.tap({ name: 'second' }, () => {});
};

describe('loading a plugin', () => {
  it('registers under its name, and unloading takes everything back', async () => {
    const host = makeHost();
    const empty = contents(host);
    await host.load(named('acme/all', everything), undefined, 'test');
    expect(contents(host)).toEqual({
      fields: ['a set'],
      quirks: ['v/q'],
      surgery: ['h'],
      slots: ['s'],
      watches: ['w'],
      interrupts: ['i'],
      interruptDrivers: ['d'],
      answerers: ['a'],
      parts: ['part'],
      platforms: ['p'],
      natives: ['n'],
      commands: ['c'],
      guestSystems: ['g'],
      taps: ['acme/all', 'second'],
    });
    expect(host.registries.fields.owned[0]?.plugin).toBe('acme/all');
    expect(host.loaded).toEqual([{ kind: 'plugin', name: 'acme/all', version: '0.0.0', origin: 'test' }]);
    host.unload('acme/all');
    expect(contents(host)).toEqual(empty);
    expect(host.loaded).toEqual([]);
  });

  it('leaves nothing of a plugin whose apply throws, and says whose it was', async () => {
    const host = makeHost();
    const empty = contents(host);
    const plugin = named('acme/broken', (facade) => {
      everything(facade);
      throw new Error('the lab is on fire');
    });
    await expect(host.load(plugin, undefined, 'test')).rejects.toMatchObject({
      code: 'PLUGIN_APPLY',
      message: expect.stringMatching(/acme\/broken.*the lab is on fire/),
    });
    expect(contents(host)).toEqual(empty);
    expect(host.loaded).toEqual([]);
    await host.load(named('acme/broken'), undefined, 'test');
  });

  it('awaits an apply that is asynchronous although it should not be', async () => {
    const host = makeHost();
    const plugin = named('acme/late', (async () => {
      await null;
      throw new Error('late');
    }) as never);
    await expect(host.load(plugin, undefined, 'test')).rejects.toMatchObject({ code: 'PLUGIN_APPLY' });
  });

  it('reads no file unless it is told how', async () => {
    await expect(makeHost().read('/card.json', 'quirk load')).rejects.toMatchObject({
      code: 'PLUGIN_UNKNOWN',
      facts: { name: '/card.json', asked: 'quirk load' },
    });
    const read = async () => [named('a/one')];
    await expect(new PluginHost({ kinds, log: silent, read }).read('/one.ts', 'x')).resolves.toMatchObject([
      { name: 'a/one' },
    ]);
  });

  it('refuses a second plugin of the same name, and a name that is taken', async () => {
    const host = makeHost();
    await host.load(named('a', everything), undefined, 'test');
    await expect(host.load(named('a'), undefined, 'test')).rejects.toMatchObject({ code: 'PLUGIN_DUPLICATE' });
    const other = named('b', (facade) => {
      facade.slots.add('mine', { create: () => ({}) as never });
      facade.slots.add('s', { create: () => ({}) as never });
    });
    await expect(host.load(other, undefined, 'test')).rejects.toMatchObject({
      code: 'PLUGIN_REGISTRATION',
      facts: { name: 'b', entry: 's', owner: 'a' },
    });
    expect(host.registries.slots.names).toEqual(['s']);
  });

  it('refuses what is neither plugin nor quirk, and half of one', async () => {
    const host = makeHost();
    for (const thing of [
      {},
      { kind: 'plugin', name: 'x' },
      { kind: 'quirk', name: 'x' },
      { kind: 'plugin', api: '1' },
    ]) {
      await expect(host.load(thing as never, undefined, 'the file')).rejects.toMatchObject({ code: 'PLUGIN_LOAD' });
    }
  });

  it('reports who asked for what cannot even say its name', async () => {
    await expect(makeHost().load({} as never, undefined, './lab/x.ts')).rejects.toThrow('./lab/x.ts');
  });

  it('gives each plugin a log that carries its name', async () => {
    const seen: object[] = [];
    const log: Logger = { ...silent, info: (facts) => void seen.push(facts) };
    const host = new PluginHost({ kinds, log });
    await host.load(
      named('acme/talks', (facade) => facade.log.info({ n: 1 }, 'hello')),
      undefined,
      'test',
    );
    expect(seen).toEqual([{ plugin: 'acme/talks', n: 1 }]);
  });

  it('unloads in reverse order, and nothing that is not there', async () => {
    const order: string[] = [];
    const log: Logger = {
      ...silent,
      debug: (facts, message) => {
        if (message === 'plugin unloaded') order.push((facts as { name: string }).name);
      },
    };
    const host = new PluginHost({ kinds, log });
    for (const name of ['one', 'two', 'three']) await host.load(named(name), undefined, 'test');
    expect(() => host.unload('tow')).toThrow(
      expect.objectContaining({ code: 'PLUGIN_UNKNOWN', facts: expect.objectContaining({ nearest: 'two' }) }),
    );
    host.close();
    expect(order).toEqual(['three', 'two', 'one']);
  });
});

describe('the facade', () => {
  it('refuses registrations after the plugin was unloaded', async () => {
    const host = makeHost();
    let kept: Host | undefined;
    await host.load(
      named('acme/keeps', (facade) => {
        kept = facade;
      }),
      undefined,
      'test',
    );
    host.unload('acme/keeps');
    expect(() => kept?.hooks.deviceSeized.tap(() => {})).toThrow(expect.objectContaining({ code: 'PLUGIN_UNLOADED' }));
    expect(() => kept?.slots.add('x', {} as never)).toThrow(expect.objectContaining({ code: 'PLUGIN_UNLOADED' }));
    expect(host.registries.slots.names).toEqual([]);
  });

  it('gives an undo that works once and only for its own registration', async () => {
    const host = makeHost();
    let undo = nothing;
    const plugin = named('acme/undoes', (facade) => {
      undo = facade.slots.add('x', { create: () => ({}) as never });
    });
    await host.load(plugin, undefined, 'test');
    undo();
    expect(host.registries.slots.names).toEqual([]);
    await host.load(
      named('other', (facade) => void facade.slots.add('x', { create: () => ({}) as never })),
      undefined,
      'test',
    );
    undo();
    host.unload('acme/undoes');
    expect(host.registries.slots.names).toEqual(['x']);
  });

  it('cannot call hooks', async () => {
    await makeHost().load(
      named('acme/looks', (facade) => expect(Object.keys(facade.hooks.deviceSeized)).toEqual(['tap'])),
      undefined,
      'test',
    );
  });

  it('taps that throw name the plugin', async () => {
    const host = makeHost();
    const plugin = named('acme/fails', (facade) => {
      facade.hooks.deviceSeized.tap(() => {
        throw new Error('no');
      });
    });
    await host.load(plugin, undefined, 'test');
    await expect(host.hooks.call('deviceSeized', device)).rejects.toThrow(/acme\/fails.*deviceSeized/);
  });

  it('refuses a tap that is no function', async () => {
    const plugin = named('acme/odd', (facade) => void facade.hooks.deviceSeized.tap('x' as never));
    await expect(makeHost().load(plugin, undefined, 'test')).rejects.toMatchObject({ code: 'PLUGIN_APPLY' });
  });
});

describe('the API range', () => {
  it.each([
    ['1.0.0', '^1.0', true],
    ['1.4.2', '^1.0', true],
    ['1.4.2', '1.5', false],
    ['2.0.0', '^1.0', false],
    ['1.5.0-rc.1', '^1.0', true],
    ['1.5.0-rc.1', '^1.5', true],
    ['2.0.0-rc.1', '^1.0', false],
    ['1.0.0', 'about one', false],
    ['1.0.0', '>=1 <2 || ^7', true],
  ])('API %s, wanted %s: %s', async (offered, wanted, accepted) => {
    const loading = makeHost(offered).load(named('p', nothing, wanted), undefined, 'test');
    if (accepted) await loading;
    else await expect(loading).rejects.toMatchObject({ code: 'PLUGIN_API', message: expect.stringContaining(wanted) });
  });
});

describe('options', () => {
  const withOptions = (got: unknown[]) =>
    definePlugin({
      name: 'acme/options',
      api: '^1.0',
      options: z.strictObject({ retries: z.number().default(3), mode: z.enum(['fast', 'safe']).default('safe') }),
      apply: (_host, options) => void got.push(options),
    });

  it('come checked and with defaults', async () => {
    const got: unknown[] = [];
    await makeHost().load(withOptions(got), { retries: 5 }, 'test');
    await makeHost().load(withOptions(got), undefined, 'test');
    expect(got).toEqual([
      { retries: 5, mode: 'safe' },
      { retries: 3, mode: 'safe' },
    ]);
  });

  it.each([
    [{ retires: 5 }, 'retires', 'retries'],
    [{ mode: 'sfae' }, 'mode', 'safe'],
    [{ retries: 'x' }, 'retries', undefined],
    [7, '(all)', undefined],
  ])('%j is refused', async (options, where, nearest) => {
    const host = makeHost();
    await expect(host.load(withOptions([]), options, 'test')).rejects.toMatchObject({
      code: 'PLUGIN_OPTIONS',
      facts: { name: 'acme/options', where, nearest },
    });
    expect(host.loaded).toEqual([]);
  });

  it.each<[string, <Schema>(schema: Schema) => Schema | Promise<Schema>]>([
    ['late', (schema) => Promise.resolve(schema)],
    ['when it is asked for', (schema) => schema],
  ])('with a schema that comes %s are checked when there are some', async (_when, give) => {
    const seen: unknown[] = [];
    let loads = 0;
    const late = definePlugin({
      name: 'acme/late',
      api: '^1.0',
      options: {
        defaults: { retries: 3 },
        schema: () => {
          loads += 1;
          return give(z.strictObject({ retries: z.number().default(3) }));
        },
      },
      apply: (_host, { retries }) => void seen.push(retries),
    });
    await makeHost().load(late, undefined, 'test');
    expect(loads).toBe(0);
    await makeHost().load(late, { retries: 5 }, 'test');
    await expect(makeHost().load(late, { retires: 5 }, 'test')).rejects.toMatchObject({
      code: 'PLUGIN_OPTIONS',
      facts: { name: 'acme/late', where: 'retires', nearest: 'retries' },
    });
    expect(seen).toEqual([3, 5]);
  });

  it('are refused without a schema, and for a quirk', async () => {
    await expect(makeHost().load(named('p'), {}, 'test')).rejects.toMatchObject({ code: 'PLUGIN_OPTIONS' });
    await expect(makeHost().load(quirk('v/q', '0001', 0x50), {}, 'test')).rejects.toMatchObject({
      code: 'PLUGIN_OPTIONS',
    });
  });
});

const quirk = (name: string, id: string, offset: number) =>
  defineQuirk({
    name,
    source: 'test',
    match: ids('8086', [id]),
    fields: [register(offset, 16, 'window').writable(0x0ff8)],
  });

describe('overlapping fields', () => {
  it('of two plugins are refused, naming both', async () => {
    const host = makeHost();
    const fields = (name: string, offset: number) =>
      named(name, (facade) => {
        facade.fields.add(header(`${name} set`, [0], [register(offset, 32, 'r').writable(0xff)]));
      });
    await host.load(fields('one', 0x40), undefined, 'test');
    await host.load(fields('two', 0x44), undefined, 'test');
    await expect(host.load(fields('three', 0x40), undefined, 'test')).rejects.toMatchObject({
      code: 'FIELD_OVERLAP',
      message: 'three: three set / r and one: one set / r both claim bits 0xff at offset 0x40',
    });
    expect(host.registries.fields.names).toEqual(['one set', 'two set']);
  });

  it('of a quirk and a field are refused; of quirks for different devices not', async () => {
    const host = makeHost();
    await host.load(
      named('fields', (facade) => {
        facade.fields.add(header('command', [0, 1], [register(0x04, 16, 'command').writable()]));
      }),
      undefined,
      'test',
    );
    await host.load(quirk('v/a', '0001', 0x50), undefined, 'test');
    await host.load(quirk('v/b', '0002', 0x50), undefined, 'test');
    await expect(host.load(quirk('v/c', '0002', 0x51), undefined, 'test')).rejects.toMatchObject({
      code: 'FIELD_OVERLAP',
      facts: { register: 'v/c: v/c / window', other: 'v/b: v/b / window', offset: '51', bits: '08' },
    });
    await expect(host.load(quirk('v/d', '0003', 0x04), undefined, 'test')).rejects.toMatchObject({
      code: 'FIELD_OVERLAP',
    });
    expect(host.registries.quirks.names).toEqual(['v/a', 'v/b']);
  });

  it('within one call of add leave nothing', async () => {
    const host = makeHost();
    const plugin = named('p', (facade) => {
      expect(() =>
        facade.fields.add(
          header('a', [0], [register(0x40, 8, 'r').writable()]),
          header('b', [0], [register(0x40, 8, 'r').writable()]),
        ),
      ).toThrow(expect.objectContaining({ code: 'FIELD_OVERLAP' }));
    });
    await host.load(plugin, undefined, 'test');
    expect(host.registries.fields.names).toEqual([]);
  });
});

describe('an apply that never ends', () => {
  it('is given up, and nothing of the plugin is in force', async () => {
    const host = new PluginHost({ kinds, log: silent, deadlines: { apply: 0.01 } });
    const plugin = named('acme/stuck', ((facade: Host) => {
      facade.surgery.add('h', hide(0x10));
      return new Promise(() => undefined);
    }) as never);
    await expect(host.load(plugin, undefined, 'test')).rejects.toMatchObject({
      code: 'PLUGIN_APPLY',
      message: expect.stringContaining('no answer within 0.01 s'),
    });
    expect(host.registries.surgery.names).toEqual([]);
  });
});
