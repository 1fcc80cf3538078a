// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { type Order, Things } from '../../../core/hooks/index.ts';
import { silent } from '../../../core/log.ts';
import { definePlugin, type Host, hide } from '../../../core/plugin/index.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import { header, register } from '../../../core/space/declaration.ts';
import { kinds } from '../../../plugins/kinds/kinds.ts';

const makeHost = () => new PluginHost({ kinds, log: silent });
const named = (name: string, apply: (host: Host) => void) => definePlugin({ name, api: '^1.0', apply });

describe('sealing', () => {
  const tapped = (name: string, before: string) =>
    named(name, (facade) => void facade.hooks.deviceSeized.tap({ before }, () => {}));

  it('refuses an order relative to a tap that is not there', async () => {
    const host = makeHost();
    await host.load(tapped('one', 'tow'), undefined, 'test');
    await host.load(tapped('two', 'one'), undefined, 'test');
    expect(() => host.seal()).toThrow(expect.objectContaining({ code: 'HOOK_ORDER' }));
  });

  it('a name with a question mark need not be there; when it is, the order counts', () => {
    const things = new Things<object>('surgery', { one: 'surgery', doc: '' });
    const add = (name: string, order: Order) => things.add({ plugin: name, name, thing: {} }, order);
    add('one', { before: 'two?', after: ['gone?'] });
    things.check();
    expect(things.names).toEqual(['one']);
    add('zero', {});
    add('early', { before: 'one?' });
    add('two', {});
    add('late', { after: ['two?', 'one'] });
    things.check();
    expect(things.names).toEqual(['zero', 'early', 'one', 'two', 'late']);
    add('circle', { after: 'late?', before: 'one?' });
    expect(() => things.check()).toThrow(expect.objectContaining({ code: 'HOOK_CYCLE' }));
  });

  it('accepts an order among plugins that come in any sequence, and checks later ones at once', async () => {
    const host = makeHost();
    await host.load(tapped('one', 'two'), undefined, 'test');
    await host.load(
      named('two', (facade) => void facade.hooks.deviceSeized.tap(() => {})),
      undefined,
      'test',
    );
    host.seal();
    await expect(host.load(tapped('three', 'nobody'), undefined, 'test')).rejects.toMatchObject({ code: 'HOOK_ORDER' });
    expect(host.hooks.point('deviceSeized').taps).toEqual(['one', 'two']);
    await host.load(tapped('four', 'one'), undefined, 'test');
  });

  it('reports a circle as one, with the names', async () => {
    const host = makeHost();
    const after = (name: string, others: string[]) =>
      named(name, (facade) => void facade.hooks.deviceSeized.tap({ after: others }, () => {}));
    for (const [name, others] of [
      ['free', []],
      ['one', ['three', 'free']],
      ['two', ['one']],
      ['three', ['two']],
      ['behind', ['three']],
    ] as const) {
      await host.load(after(name, [...others]), undefined, 'test');
    }
    expect(() => host.seal()).toThrow(
      'the order in deviceSeized is a circle, each before the next: one, two, three, one (of plugins one, two, three)',
    );
    host.unload('behind');
    host.unload('one');
    expect(() => host.seal()).toThrow(
      expect.objectContaining({ code: 'HOOK_ORDER', facts: expect.objectContaining({ plugin: 'two' }) }),
    );
  });
});

describe('the order of things', () => {
  const set = (name: string, offset: number) => header(name, [0], [register(offset, 8, 'r').writable()]);

  it('is that of adding, but for what before and after say; the same for every kind', async () => {
    const host = makeHost();
    await host.load(
      named('one', (facade) => {
        facade.surgery.add('second', hide(0x10));
        facade.fields.add({ after: 'c' }, set('a', 0x40), set('b', 0x41));
        facade.commands.add({ name: 'z', summary: '', run: async () => 0 });
      }),
      undefined,
      'test',
    );
    await host.load(
      named('two', (facade) => {
        facade.surgery.add('first', hide(0x11), { before: 'second' });
        facade.fields.add(set('c', 0x42));
        facade.commands.add({ before: 'z' }, { name: 'y', summary: '', run: async () => 0 });
      }),
      undefined,
      'test',
    );
    host.seal();
    const { surgery, fields, commands } = host.registries;
    expect([surgery.names, fields.names, commands.names]).toEqual([
      ['first', 'second'],
      ['c', 'a', 'b'],
      ['y', 'z'],
    ]);
    host.unload('two');
    expect([surgery.names, fields.names, commands.names]).toEqual([['second'], ['a', 'b'], ['z']]);
  });

  it('relative to one that is not there, and a circle, are refused', async () => {
    const host = makeHost();
    host.seal();
    const adding = (name: string, order: Parameters<Host['surgery']['add']>[2]) =>
      named(name, (facade) => void facade.surgery.add(name, hide(0x10), order));
    await expect(host.load(adding('one', { after: 'tow' }), undefined, 'test')).rejects.toMatchObject({
      code: 'HOOK_ORDER',
    });
    await host.load(adding('two', {}), undefined, 'test');
    await expect(host.load(adding('one', { after: 'two', before: 'two' }), undefined, 'test')).rejects.toMatchObject({
      code: 'HOOK_CYCLE',
      facts: { hook: 'surgery' },
    });
    expect(host.registries.surgery.names).toEqual(['two']);
  });

  it('nothing is added by an empty call', async () => {
    const host = makeHost();
    await host.load(
      named('one', (facade) => facade.fields.add()()),
      undefined,
      'test',
    );
    expect(host.registries.fields.names).toEqual([]);
  });
});
