// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Command } from '../../../core/ring/layout.ts';
import type { GuestRequest } from '../../../plugins/platforms/embedded/guest-ring.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { createRestartableHost, type RestartableHost } from '../../kit/restartable-host.ts';
import { SeededRandom } from '../../kit/seeded-random.ts';

const devices = ['e1000e', 'nvme'] as const;
const STEPS = 120;
/** A kill in so many requests. */
const KILLS = 8;

/** What a driver, a scanner and a bad guest ask, mixed. */
const anyRequest = (random: SeededRandom): GuestRequest => {
  const devfn = 8 * random.below(devices.length);
  const size = random.pick([1, 2, 4]);
  const offset = random.pick([0x04, 0x0c, 0x10, 0x14, 0x30, 0x3c, 4 * random.below(0x40)]);
  const value = random.pick([0, 0xffffffff, 0x7, 0x407, random.word()]);
  return random.pick<GuestRequest>([
    { cmd: Command.confRead, devfn, offset, size },
    { cmd: Command.confRead, devfn, offset, size },
    { cmd: Command.confWrite, devfn, offset, size, value },
    { cmd: Command.confWrite, devfn, offset, size, value },
    { cmd: Command.enableMsi, devfn },
    { cmd: Command.disableMsi, devfn },
    { cmd: Command.enableMsix, devfn, value: 2, entries: [1, 0] },
    { cmd: Command.disableMsix, devfn },
  ]);
};

const world = async () => {
  const host = createRestartableHost(devices.map((name) => sample(name)));
  await host.start();
  const guest = await host.guest(devices.map((name) => sample(name).bdf));
  await guest.reached(4);
  return { host, guest };
};

/** All that a guest, an operator or the hypervisor can see. */
const state = ({ xen }: RestartableHost) => ({
  config: devices.map((name) => Buffer.from(xen.pci.model(sample(name).bdf).snapshot()).toString('hex')),
  resets: devices.map((name) => xen.pci.model(sample(name).bdf).counters.resets),
  pirqs: xen.hypervisor.ledger().pirqs,
  nodes: xen.store.dump(),
});

describe('a guest of a pciback that is killed again and again', () => {
  it.each([1, 2, 3])('sees what it sees without (seed %i)', { timeout: 300_000 }, async (seed) => {
    const [killed, twin] = [await world(), await world()];
    const random = new SeededRandom(seed);
    for (let step = 0; step < STEPS; step++) {
      const request = anyRequest(random);
      const expected = await twin.guest.request(request);
      const kill = random.below(KILLS);
      if (kill === 0) killed.host.kill();
      const answer = killed.guest.request(request);
      // Some die with the request in the page, some on the way to it.
      if (kill === 1) {
        await Promise.resolve();
        killed.host.kill();
      }
      if (kill < 2) await killed.host.start();
      expect({ step, request, answer: await answer }).toEqual({ step, request, answer: expected });
    }
    expect(state(killed.host)).toEqual(state(twin.host));
    await killed.host.close();
    await twin.host.close();
  });
});
