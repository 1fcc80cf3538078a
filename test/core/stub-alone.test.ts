// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../core/bdf.ts';
import type { Platform } from '../../core/platform/index.ts';
import { sample } from '../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../kit/embedded-host.ts';
import { createRestartableHost } from '../kit/restartable-host.ts';

const nic = sample('e1000e').bdf;
const config = { backend: false, hide: [formatBdf(nic)], without: ['slots/vpci', 'slots/passthrough'] };
let host: EmbeddedHost;
let asked: string[];

/** What is asked of the store is noted. */
const noting = (platform: Platform): Platform => {
  asked = [];
  const xenstore = new Proxy(platform.xenstore, {
    get: (store, name: keyof Platform['xenstore']) => {
      if (name !== 'lost') asked.push(name);
      const value: unknown = store[name];
      return typeof value === 'function' ? value.bind(store) : value;
    },
  });
  return Object.create(platform, { xenstore: { value: xenstore, enumerable: true } }) as Platform;
};

describe('the stub without a back end (seed a67efff288)', () => {
  afterEach(() => host.close());

  it('holds and resets devices, and gives them back as they were', async () => {
    host = await startEmbeddedHost({ devices: [sample('e1000e')], config: { ...config, hide: [] } });
    const { pci } = host.platform;
    const before = Buffer.from(pci.model(nic).snapshot()).toString('hex');
    const { resets } = pci.model(nic).counters;
    await host.pciback.stub.seize(nic);
    expect(pci.model(nic).counters.resets).toBeGreaterThan(resets);
    expect(host.pciback.stub.devices.map(({ bdf }) => bdf)).toEqual([nic]);
    await host.pciback.stub.release(nic);
    expect(Buffer.from(pci.model(nic).snapshot()).toString('hex')).toBe(before);
  });

  it('asks nothing of the store and leaves guests to others', async () => {
    host = await startEmbeddedHost({ devices: [sample('e1000e')], config, between: noting });
    expect(host.pciback.stub.devices.map(({ bdf }) => bdf)).toEqual([nic]);
    await host.platform.toolstack.create({ devices: [nic] });
    const nodes = host.platform.store.dump();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(host.pciback.guests()).toEqual([]);
    expect(host.platform.store.dump()).toEqual(nodes);
    expect(asked).toEqual([]);
  });

  it('asks it with one', async () => {
    host = await startEmbeddedHost({ devices: [sample('e1000e')], between: noting });
    expect(asked).toContain('watch');
  });
});

describe('guests that an earlier process has left', () => {
  it('are not taken for gone: it does not start', async () => {
    const earlier = createRestartableHost([sample('root-port'), sample('e1000e')]);
    try {
      await earlier.start();
      const guest = await earlier.guest([nic]);
      await guest.reached(4);
      const held = earlier.xen.hypervisor.ledger();
      const { resets } = earlier.xen.pci.model(nic).counters;
      earlier.kill();
      await expect(earlier.start({ config: { backend: false } })).rejects.toMatchObject({
        code: 'GUEST_LEFT',
        facts: { guest: 'guest-1' },
      });
      expect(earlier.xen.hypervisor.ledger().assigned).toEqual(held.assigned);
      expect(earlier.xen.pci.model(nic).counters.resets).toBe(resets);
    } finally {
      await earlier.close();
    }
  });
});
