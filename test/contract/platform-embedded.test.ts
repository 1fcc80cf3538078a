// SPDX-License-Identifier: MIT

import { afterAll, describe, expect, it } from 'vitest';
import { createEmbeddedPlatform } from '../../plugins/platforms/embedded/index.ts';
import { samples } from '../../plugins/platforms/embedded/samples.ts';
import { runContract } from '../kit/contract.ts';
import { platformContract } from '../kit/platform-contract.ts';
import { pciContract } from '../kit/platform-contract-pci.ts';
import type { PlatformFixture } from '../kit/platform-fixture.ts';

const devices = samples();
const platform = createEmbeddedPlatform({ devices });
const guest = platform.hypervisor.createDomain();
const [first] = await platform.pci.list();
if (first === undefined) throw new Error('the samples have no function');

const fixture: PlatformFixture = {
  platform,
  folder: '/local/domain/0/pciback-contract',
  device: first.bdf,
  patience: 10,
  peer: {
    domain: guest.domain,
    grant() {
      const memory = guest.allocatePage();
      const reference = guest.grantAccess(platform.domain, memory);
      return { reference, memory, end: () => guest.endAccess(reference) };
    },
    offerPort() {
      let received = 0;
      const channel = guest.ports.allocUnbound(platform.domain, () => {
        received += 1;
        channel.unmask();
      });
      return {
        port: channel.port,
        notify: () => channel.notify(),
        received: () => received,
        close: () => channel.close(),
      };
    },
  },
};

describe('platform embedded', () => {
  afterAll(() => platform.close());
  for (const { name, run } of platformContract) it(name, () => run(fixture));

  it('does not meet a contract that needs its config space in memory', async () => {
    const failed: string[] = [];
    const needy = { ...fixture, needsConfigPage: true };
    await runContract(pciContract, needy, ({ name, failure }) => failure !== undefined && failed.push(name));
    expect(failed).toEqual(['pci: where config space is memory, loads of every size say what reads say']);
  });
});
