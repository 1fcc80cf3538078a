// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { definePlugin } from '../../core/plugin/definition.ts';
import type { SlotMapper } from '../../core/slots.ts';
import { vpci } from '../../plugins/slots/vpci.ts';
import { startEmbeddedHost } from '../kit/embedded-host.ts';

describe('the slot mapper in use', () => {
  it('a mapper without a part is refused by the type, and a release reaches the mapper (seed 6337a23992)', async () => {
    const calls: string[] = [];
    const traced: SlotMapper = {
      create: (domain) => {
        const map = vpci.create(domain);
        return {
          add: (device, wanted) => {
            calls.push('add');
            return wanted === undefined ? map.add(device) : map.add(device, wanted);
          },
          remove: (device) => {
            calls.push('remove');
            map.remove(device);
          },
          lookup: (segment, bus, devfn) => map.lookup(segment, bus, devfn) as never,
          find: (device) => map.find(device),
          roots: () => map.roots(),
        };
      },
    };
    const plugin = definePlugin({
      name: 'test/traced',
      api: '^1.0',
      apply: (host) => {
        host.slots.add('traced', traced);
      },
    });
    const host = await startEmbeddedHost({ plugins: [plugin], config: { slots: 'traced' } });
    const nic = (await host.platform.pci.list()).find((one) => one.device === 0x10d3);
    if (nic === undefined) throw new Error('no sample');
    const guest = await host.guest([nic.bdf], { driver: 'none' });
    await guest.reached(4);
    expect(calls).toEqual(['add']);
    await host.close();
    expect(calls).toEqual(['add', 'remove']);
  });
});
