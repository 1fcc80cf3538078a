// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import { definePlugin, type Host } from '../../../core/plugin/index.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import { defineQuirk } from '../../../core/quirk/quirk.ts';
import { header, register } from '../../../core/space/declaration.ts';
import { refuseOverlap } from '../../../plugins/program/overlap.ts';

const MANY = 100_000;
const one = (index: number) => register(0x40, 8, `r${index}`).readOnly();
const set = (index: number) => header(`set ${index}`, [0], [one(index)]);
const sets = (count: number) => Array.from({ length: count }, (_, index) => set(index));
const quirk = (index: number) =>
  defineQuirk({
    name: `q/${index}`,
    source: 'a test',
    match: [{ vendor: 1, device: index & 0xffff }],
    fields: [one(index)],
  });

const load = async (apply: (host: Host) => void): Promise<PluginHost> => {
  const host = new PluginHost({ check: refuseOverlap, log: silent });
  await host.load(definePlugin({ name: 'acme/many', api: '^1.0', apply }), undefined, 'a test');
  return host;
};
const refused = (name: string) => ({ code: 'PLUGIN_TOO_MUCH', message: expect.stringContaining(`with ${name} there`) });

describe('a plugin that brings more than can be compared', () => {
  it('is refused at once: with field sets, quirks, or registers', async () => {
    await expect(load((host) => host.fields.add(...sets(MANY)))).rejects.toMatchObject(refused('acme/many'));
    const quirks = Array.from({ length: MANY }, (_, index) => quirk(index));
    await expect(load((host) => host.quirks.add(...quirks))).rejects.toMatchObject(refused('q/0'));
    const registers = Array.from({ length: MANY }, (_, index) => one(index));
    await expect(load((host) => host.fields.add(header('one', [0], registers)))).rejects.toMatchObject(
      refused('acme/many'),
    );
  });

  it('is refused when others have brought as much already; what they brought stays', async () => {
    const host = await load((to) => to.fields.add(...sets(1999)));
    const more = definePlugin({
      name: 'acme/more',
      api: '^1.0',
      apply: (to) => void to.fields.add(set(2000), set(2001)),
    });
    await expect(host.load(more, undefined, 'a test')).rejects.toMatchObject({ code: 'PLUGIN_TOO_MUCH' });
    expect(host.registries.fields.entries).toHaveLength(1999);
  });
});
