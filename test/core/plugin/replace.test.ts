// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import type { RegistrationChange } from '../../../core/changes.ts';
import { silent } from '../../../core/log.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import { defineQuirk } from '../../../core/quirk/quirk.ts';
import { register } from '../../../core/space/declaration.ts';
import { kinds } from '../../../plugins/kinds/kinds.ts';
import { refuseOverlap } from '../../../plugins/program/overlap.ts';
import { ids } from '../../../quirks/index.ts';

const quirkAt = (name: string, offset: number) =>
  defineQuirk({
    name,
    source: 'a test',
    match: ids('8086', ['10d3']),
    fields: [register(offset, 16, 'window').writable()],
  });
const plugin = (retries: number) =>
  definePlugin({
    name: 'acme/mapper',
    version: `${retries}.0.0`,
    api: '^1.0',
    apply: (host) => {
      host.slots.add('acme', { create: () => ({}) as never });
      if (retries > 1) throw new Error('not this version');
    },
  });

/** What a quirk's registers lie at, for every quirk in force. */
const inForce = (host: PluginHost) =>
  host.registries.quirks.things.map(({ name, sets }) => `${name} ${sets[0]?.registers[0]?.offset.toString(16)}`);

describe('a replacement', () => {
  it('takes the place of the one with its name', async () => {
    const host = new PluginHost({ check: refuseOverlap, kinds, log: silent });
    await host.load(quirkAt('acme/nic', 0x50), undefined, 'first');
    await host.replace(quirkAt('acme/nic', 0x60), undefined, 'second');
    expect(inForce(host)).toEqual(['acme/nic 60']);
    expect(host.loaded).toEqual([{ kind: 'quirk', name: 'acme/nic', origin: 'second' }]);
  });

  it('that is refused leaves the old one in force, and where it came from', async () => {
    const host = new PluginHost({ check: refuseOverlap, kinds, log: silent });
    await host.load(quirkAt('acme/other', 0x60), undefined, 'test');
    await host.load(quirkAt('acme/nic', 0x50), undefined, 'first');
    const replacing = host.replace(quirkAt('acme/nic', 0x60), undefined, 'second');
    await expect(replacing).rejects.toMatchObject({ code: 'FIELD_OVERLAP' });
    expect(inForce(host)).toEqual(['acme/other 60', 'acme/nic 50']);
    expect(host.loaded.at(-1)).toEqual({ kind: 'quirk', name: 'acme/nic', origin: 'first' });
  });

  it('that throws leaves the old one with its options, and nothing of its own', async () => {
    const host = new PluginHost({ check: refuseOverlap, kinds, log: silent });
    await host.load(plugin(1), undefined, 'first');
    await expect(host.replace(plugin(2), undefined, 'second')).rejects.toThrow('not this version');
    expect(host.registries.slots.names).toEqual(['acme']);
    expect(host.loaded).toEqual([{ kind: 'plugin', name: 'acme/mapper', version: '1.0.0', origin: 'first' }]);
    host.unload('acme/mapper');
    expect(host.registries.slots.names).toEqual([]);
  });

  it('that a listener refuses leaves the old one, and devices hear of it', async () => {
    const host = new PluginHost({ check: refuseOverlap, kinds, log: silent });
    await host.load(quirkAt('acme/nic', 0x50), undefined, 'first');
    const seen: string[] = [];
    host.onChange((change: RegistrationChange) => {
      seen.push(`${change.what} with ${inForce(host)}`);
      if (seen.length === 1) throw new Error('not under this guest');
      return { commit: () => ({ devices: 0, waiting: 0, ms: 0, failures: [] }) };
    });
    await expect(host.replace(quirkAt('acme/nic', 0x60), undefined, 'second')).rejects.toThrow('not under this guest');
    expect(seen).toEqual(['loaded with acme/nic 60', 'loaded with acme/nic 50']);
  });
});
