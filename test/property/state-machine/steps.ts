// SPDX-License-Identifier: MIT

import { type Bdf, devfnOf, formatBdf } from '../../../core/bdf.ts';
import { CapabilityId } from '../../../core/space/capabilities.ts';
import { Power } from '../../../core/stub/registers.ts';
import type { FaultKind } from '../../../plugins/platforms/embedded/device.ts';
import { defineQuirk, register } from '../../../quirks/index.ts';
import type { SeededRandom } from '../../kit/seeded-random.ts';
import type { HostileFront, SlowFunction } from './hostile-front.ts';
import type { Domain, World } from './world.ts';

/** One thing that can happen. Steps begin their work and do not wait for it. */
interface Step {
  /** How often, relative to the others. */
  readonly weight: number;
  readonly run: (world: World) => void;
}

const DOMAINS = 5;
/** Device control, in the PCI Express capability. */
const DEVICE_CONTROL = 0x08;

const quirk = defineQuirk({
  name: 'state-machine/quirk',
  source: 'made up',
  match: [{ vendor: 0x8086 }, { vendor: 0x14e4 }],
  fields: [register(0xf8, 16, 'made up').writable()],
});

const anyDomain = (world: World): Domain | undefined =>
  world.domains.size === 0 ? undefined : world.random.pick([...world.domains.values()]);

const someDevices = ({ random, devices }: World): Bdf[] => [
  ...new Set(Array.from({ length: 1 + random.below(3) }, () => random.pick(devices))),
];

/** A step with any one domain. */
const domain =
  (work: (world: World, domain: Domain) => void) =>
  (world: World): void => {
    const one = anyDomain(world);
    if (one !== undefined) work(world, one);
  };

/** A step of one guest's front end. */
const front =
  (work: (front: HostileFront, random: SeededRandom) => unknown) =>
  (world: World): void => {
    const one = anyDomain(world)?.front;
    if (one !== undefined) world.beside(`front ${one.domain}`, async () => work(one, world.random));
  };

/** The functions that a guest has at this moment, as it would find them by scanning. */
const slowFunctions = ({ pciback, host }: World, guest: number): SlowFunction[] =>
  (pciback?.guests().find((one) => one.domain === guest)?.devices ?? []).map(({ bdf, vdev }) => {
    const at = (id: number, control: number): number | undefined => {
      const capability = host.platform.pci.model(bdf).capability(id);
      return capability === undefined ? undefined : capability + control;
    };
    return {
      devfn: devfnOf(vdev),
      power: at(CapabilityId.powerManagement, Power.control),
      express: at(CapabilityId.pcie, DEVICE_CONTROL),
    };
  });

/** A step of the toolstack in one guest's back-end directory. */
const nodes =
  (change: (random: SeededRandom, world: World) => readonly (readonly [key: string, value: string | undefined])[]) =>
  (world: World): void => {
    const domain = anyDomain(world);
    if (domain === undefined) return;
    const back = `/local/domain/0/backend/pci/${domain.id}/0`;
    const keys = change(world.random, world);
    world.toolstack(domain, `nodes ${domain.id}`, () =>
      world.host.platform.xenstore.transaction(async (view) => {
        if ((await view.read(`${back}/state`)) === undefined) return;
        for (const [key, value] of keys) {
          if (value === undefined) await view.remove(`${back}/${key}`);
          else await view.write(`${back}/${key}`, value);
        }
      }),
    );
  };

const attach = (world: World): void => {
  const domain = anyDomain(world);
  const device = world.random.pick(world.devices);
  if (domain !== undefined)
    world.toolstack(domain, `attach ${domain.id}`, () => world.host.platform.toolstack.attach(domain.id, device));
};

const detachFrom = (world: World, domain: Domain): void => {
  const { toolstack } = world.host.platform;
  world.toolstack(domain, `detach ${domain.id}`, async () => {
    const [device] = await toolstack.devices(domain.id);
    if (device === undefined) return;
    await toolstack.detach(domain.id, device);
    // The last device took the directories away; a new one makes them anew, before anybody has looked.
    if (world.random.oneIn(2)) await toolstack.attach(domain.id, device);
  });
};

/** A slow request; the guest, or the toolstack, may not wait for its answer. */
const sendSlow = (world: World): void => {
  const { random } = world;
  const domain = anyDomain(world);
  const front = domain?.front;
  const functions = domain === undefined ? [] : slowFunctions(world, domain.id);
  if (domain === undefined || front === undefined || functions.length === 0) return;
  front.sendSlow(random.pick(functions));
  const next = random.below(8);
  if (next === 0) world.beside(`front ${domain.id}`, () => front.set(random.pick(['5', '6'])));
  else if (next === 1) world.beside(`front ${domain.id}`, () => front.comeBack());
  else if (next < 4) {
    detachFrom(world, domain);
    world.beside(`front ${domain.id}`, async () => {
      for (let turns = 0; turns < 3; turns++) await front.follow();
    });
  }
};

/** The directory goes, and another one is there at once. */
const renew = (world: World): void => {
  const domain = anyDomain(world);
  if (domain === undefined) return;
  const back = `/local/domain/0/backend/pci/${domain.id}/0`;
  const front = `/local/domain/${domain.id}/device/pci/0`;
  const device = formatBdf(world.random.pick(world.devices));
  world.toolstack(domain, `renew ${domain.id}`, () =>
    world.host.platform.xenstore.transaction(async (view) => {
      if ((await view.read(`/local/domain/${domain.id}/name`)) === undefined) return;
      await view.remove(back);
      for (const [key, value] of Object.entries({
        frontend: front,
        'frontend-id': String(domain.id),
        online: '1',
        state: '1',
        num_devs: '1',
        'dev-0': device,
        'state-0': '1',
      })) {
        await view.write(`${back}/${key}`, value);
      }
      await view.write(`${front}/state`, '1');
    }),
  );
};

const fault = ({ random, frail, host }: World): void => {
  const kind = random.pick<FaultKind>(['read', 'write', 'reset']);
  host.platform.pci.model(random.pick(frail)).failNext(kind, 5, 1 + random.below(3));
};

/** The operator takes a device away from guests and gives it back: the way out of quarantine. */
const reseize = (world: World): void => {
  const address = world.random.pick(world.devices);
  const isTwice = world.random.oneIn(2);
  world.operator(`release and seize ${formatBdf(address)}`, async ({ stub }) => {
    const again = isTwice ? stub.release(address) : undefined;
    await Promise.allSettled([again, stub.release(address)]);
    await stub.seize(address);
  });
};

const hotLoad = (world: World): void => {
  const { plugins } = world.host;
  const loaded = plugins.loaded.some(({ name }) => name === quirk.name);
  world.beside('a quirk comes or goes', async () =>
    loaded ? plugins.unload(quirk.name) : plugins.load(quirk, undefined, 'test'),
  );
};

/**
 * A function meets an error; its guest is asked, and may not answer. While the host has it, its registers are the host's
 * drivers' to put back.
 */
const failing = (world: World): void => {
  const { host, pciback, random, devices } = world;
  const [address, severity] = [random.pick(devices), random.pick(['correctable', 'nonfatal', 'fatal'] as const)];
  if (pciback?.stub.devices.some(({ bdf }) => bdf === address))
    world.beside(`error of ${formatBdf(address)}`, () => host.platform.errors.inject(address, severity));
};

const index = (random: SeededRandom): number => random.below(3);

const steps: readonly Step[] = [
  {
    weight: 6,
    run: (world) => {
      if (world.domains.size < DOMAINS) world.create(someDevices(world), world.random.oneIn(12) ? 'stock' : 'hostile');
    },
  },
  { weight: 100, run: front((one) => one.follow()) },
  { weight: 4, run: front((one) => one.anyState()) },
  { weight: 2, run: front((one) => one.toggle()) },
  { weight: 4, run: front((one) => one.probe()) },
  { weight: 6, run: front((one) => one.comeBack()) },
  { weight: 1, run: front((one) => one.spoilKey()) },
  { weight: 20, run: front((one, random) => one.send(1 + random.below(4))) },
  { weight: 25, run: sendSlow },
  { weight: 12, run: front((one) => one.sendInterrupts()) },
  { weight: 4, run: front((one) => one.scribble()) },
  { weight: 4, run: front((one, random) => one.flood(1 + random.below(50))) },
  { weight: 6, run: attach },
  { weight: 6, run: domain(detachFrom) },
  { weight: 2, run: renew },
  {
    weight: 2,
    run: nodes((random) => [
      [`state-${index(random)}`, '5'],
      ['state', '7'],
    ]),
  },
  {
    weight: 2,
    run: nodes((random) => [
      [`state-${index(random)}`, '1'],
      ['state', '7'],
    ]),
  },
  { weight: 1, run: nodes((random) => [['num_devs', random.pick(['0', '1', '3', 'x', '', '4000'])]]) },
  { weight: 1, run: nodes((random) => [[`vdev-${index(random)}`, random.pick(['x', '0000:00:01.00', undefined])]]) },
  { weight: 1, run: nodes((random) => [['root_num', random.pick(['x', '0', '4294967295', undefined])]]) },
  { weight: 1, run: nodes((random) => [[`vdevfn-${index(random)}`, random.pick(['8', 'zz', '100', '-1'])]]) },
  { weight: 1, run: nodes((random) => [['state', random.pick(['x', '0', '2', '3', '5', '7', '9', undefined])]]) },
  {
    weight: 2,
    run: nodes((random, world) => [
      [`dev-${index(random)}`, random.oneIn(3) ? 'garbage' : formatBdf(random.pick(world.devices))],
      [`state-${index(random)}`, '1'],
      ['state', '7'],
    ]),
  },
  { weight: 1, run: nodes((random) => [['online', random.pick(['0', '1', undefined])]]) },
  { weight: 2, run: domain((world, one) => world.destroy(one)) },
  { weight: 5, run: domain((world, one) => world.kill(one)) },
  { weight: 3, run: fault },
  { weight: 4, run: reseize },
  { weight: 3, run: hotLoad },
  { weight: 2, run: failing },
  { weight: 1, run: (world) => (world.random.oneIn(4) ? world.restart() : undefined) },
  { weight: 10, run: ({ clock, random }) => clock.advance(random.below(15)) },
];

const total = steps.reduce((sum, { weight }) => sum + weight, 0);

/** Begins one random step. */
export const randomStep = (world: World): void => {
  let left = world.random.below(total);
  for (const step of steps) {
    left -= step.weight;
    if (left >= 0) continue;
    step.run(world);
    return;
  }
};
