// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import { Hooks, type TapOptions } from '../../../core/hooks/index.ts';
import { silent } from '../../../core/log.ts';
import type { PciFunction } from '../../../core/platform/index.ts';
import { Wall } from '../../../core/wall/wall.ts';

let reported: unknown[];
let hooks: Hooks;
let trace: string[];
beforeEach(() => {
  reported = [];
  trace = [];
  hooks = new Hooks(new Wall({ ...silent, error: (facts) => reported.push(facts) }));
});

const device = { bdf: 0x0300, identity: {} } as never;
const tap = (name: string, options: TapOptions = {}) =>
  hooks.point('deviceSeized').tap(name, options, () => void trace.push(name));
const called = async (): Promise<string[]> => {
  trace.length = 0;
  await hooks.call('deviceSeized', device);
  return trace;
};

describe('the order of taps', () => {
  it('is that of adding, unless one says otherwise', async () => {
    for (const name of ['one', 'two', 'three']) tap(name);
    expect(await called()).toEqual(['one', 'two', 'three']);
  });

  it('has a tap before those it names', async () => {
    for (const name of ['one', 'two']) tap(name);
    tap('first', { before: ['one', 'two'] });
    expect(await called()).toEqual(['first', 'one', 'two']);
  });

  it('has a tap after those it names, also when they come later', async () => {
    tap('last', { after: ['one', 'two'] });
    for (const name of ['one', 'two']) tap(name);
    expect(await called()).toEqual(['one', 'two', 'last']);
  });

  it('changes when a tap goes', async () => {
    const end = tap('one');
    tap('two', { before: 'one' });
    expect(await called()).toEqual(['two', 'one']);
    end();
    end();
    expect(await called()).toEqual(['two']);
  });

  it('knows every name that is given', () => {
    tap('one', { before: 'tow' });
    tap('two');
    expect(() => hooks.check()).toThrow(
      expect.objectContaining({ code: 'HOOK_ORDER', facts: expect.objectContaining({ nearest: 'two' }) }),
    );
    expect(() => tap('two')).toThrow(expect.objectContaining({ code: 'HOOK_DUPLICATE' }));
  });
});

describe('what a tap answers', () => {
  it('is the first answer that is one; the later taps are not called', async () => {
    const done = { ok: true, method: 'vendor' } as const;
    const point = hooks.point('resetDevice');
    point.tap('silent', {}, () => void trace.push('silent'));
    point.tap('vendor', {}, async () => done);
    point.tap('late', {}, () => void trace.push('late'));
    expect(await hooks.call('resetDevice', device, {} as PciFunction)).toEqual(done);
    expect(trace).toEqual(['silent']);
  });
});

describe('a tap that fails', () => {
  const broken = () => {
    throw new Error('boom');
  };

  it('ends a series, with its plugin, its hook and the device', async () => {
    tap('one');
    hooks.point('deviceSeized').tap('acme', {}, broken);
    tap('three');
    await expect(called()).rejects.toMatchObject({
      code: 'PLUGIN_FAULT',
      facts: { plugin: 'acme', what: 'hook deviceSeized', place: '0000:03:00.0', why: 'boom' },
    });
    expect(trace).toEqual(['one']);
  });

  it('is reported where taps only observe, and stops nobody', async () => {
    const point = hooks.point('guestConnected');
    point.tap('acme', {}, broken);
    point.tap('late', {}, async () => {
      throw new Error('later');
    });
    point.tap('last', {}, () => void trace.push('last'));
    hooks.call('guestConnected', { domain: 1, name: 'guest' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(trace).toEqual(['last']);
    expect(reported).toMatchObject([
      { code: 'PLUGIN_FAULT', plugin: 'acme', why: expect.stringContaining('boom') },
      { code: 'PLUGIN_FAULT', plugin: 'late', why: expect.stringContaining('later') },
    ]);
  });
});
