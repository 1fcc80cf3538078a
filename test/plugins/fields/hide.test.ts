// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import plugin, { hideable } from '../../../plugins/fields/hide.ts';
import { explainIssue } from '../../../plugins/schema-issue.ts';
import { startEmbeddedHost } from '../../kit/embedded-host.ts';

const surgeryOf = async (options: unknown) => {
  const host = new PluginHost({ log: silent });
  await host.load(plugin, options, 'test');
  return host.registries.surgery;
};

describe('hide', () => {
  it('without options nothing is hidden', async () => {
    expect((await surgeryOf(undefined)).names).toEqual([]);
  });

  it('each name is one capability of one list, and no two the same', async () => {
    const { things } = await surgeryOf({ capabilities: hideable });
    const places = things.map((one) => (one.kind === 'hide' ? `${one.list} ${one.id}` : one.kind));
    expect(new Set(places).size).toBe(hideable.length);
    expect(places.every((place) => /^(standard|extended) \d+$/.test(place))).toBe(true);
  });

  it('a name said twice is said once', async () => {
    expect((await surgeryOf({ capabilities: ['pasid', 'pasid'] })).names).toEqual(['hide pasid']);
  });

  it('an unknown name is an error that says what may have been meant', async () => {
    const host = new PluginHost({ log: silent, explain: explainIssue });
    await expect(host.load(plugin, { capabilities: ['sriov'] }, 'test')).rejects.toMatchObject({
      code: 'PLUGIN_OPTIONS',
      message: expect.stringMatching(/capabilities\[0\].*"sriov" is none of .*sr-iov/),
    });
  });

  it('unloading takes it back', async () => {
    const host = new PluginHost({ log: silent });
    await host.load(plugin, { capabilities: ['pcie'] }, 'test');
    host.unload('fields/hide');
    expect(host.registries.surgery.names).toEqual([]);
  });

  it('a guest does not see a hidden capability, and sees the others', async () => {
    const idsSeen = async (hidden: boolean): Promise<number[]> => {
      const host = await startEmbeddedHost();
      if (hidden) await host.plugins.load(plugin, { capabilities: ['pcie'] }, 'test');
      const [nic] = (await host.platform.pci.list()).filter((one) => one.device === 0x10d3);
      if (nic === undefined) throw new Error('the samples have no 82574L');
      const guest = await host.guest([nic.bdf]);
      await guest.reached(4);
      const space = host.pciback.stub.devices[0]?.assignment?.space;
      if (space === undefined) throw new Error('the guest has no device');
      const byte = (offset: number): number => {
        expect(space.read(offset, 1)).toBe(0);
        return space.value;
      };
      const found: number[] = [];
      for (let at = byte(0x34); at !== 0; at = byte(at + 1)) found.push(byte(at));
      await host.close();
      return found;
    };
    const shown = await idsSeen(false);
    expect(shown).toContain(0x10);
    expect(await idsSeen(true)).toEqual(shown.filter((id) => id !== 0x10));
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/hide', api: '^1.0' });
  });
});
