// SPDX-License-Identifier: MIT

import type { SeededRandom } from '../kit/seeded-random.ts';
import { errorOf, type Fault, pause, type Soak } from './context.ts';

const PATIENCE_MS = 20_000;
const TURN_MS = 20;

/** Whoever gave the order asks again when the process went before it said that it was done. */
const insist = async ({ keeper, stretch }: Soak, op: string, args: object, isDone: (code: unknown) => boolean) => {
  const end = performance.now() + PATIENCE_MS * stretch;
  for (;;) {
    try {
      if ((await keeper.ask(op, args)) !== undefined) return;
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      if (isDone(code)) return;
      if (performance.now() > end) throw error;
    }
    if (performance.now() > end) throw new Error(`${op}: nobody answers`);
    await pause(TURN_MS);
  }
};

/** Loads a quirk for the first guest, which looks by itself what is in force. */
const quirk: Fault = {
  name: 'quirk load and unload',
  run: async (soak, random) => {
    const [guest] = soak.asking;
    const { file, name } = soak.world.quirk;
    if (guest === undefined) return;
    guest.quirk = undefined;
    await insist(soak, 'quirk-load', { file }, () => false);
    guest.quirk = true;
    for (let again = random.below(3); again > 0; again -= 1) {
      await pause(random.below(100));
      await insist(soak, 'quirk-load', { file }, () => false);
    }
    await pause(random.below(1000));
    guest.quirk = undefined;
    await insist(soak, 'quirk-unload', { name }, (code) => code === 'QUIRK_UNKNOWN');
    guest.quirk = false;
  },
};

/** What the back end made of the second device of a guest, and says of itself. */
const plugged = async (soak: Soak, domain: number) => {
  const { world, keeper } = soak;
  const back = world.host.platform.store.connect(0);
  const directory = `/local/domain/0/backend/pci/${domain}/0`;
  const [vdev, state] = await Promise.all(['vdev-1', 'state-1'].map((node) => back.read(`${directory}/${node}`)));
  back.close();
  if (vdev !== undefined) return { vdev, state };
  return { vdev, state, error: await errorOf(soak, domain), says: await keeper.ask('status').catch(String) };
};

const plug: Fault = {
  name: 'attach and detach',
  run: async (soak: Soak, random: SeededRandom) => {
    const { world, asking, checks } = soak;
    const last = asking.at(-1);
    if (last === undefined) return;
    const { toolstack } = world.host.platform;
    const { domain } = last.guest;
    await toolstack.attach(domain, world.spare);
    await pause(random.below(1000));
    const there = await toolstack.devices(domain);
    checks.that(there.includes(world.spare), 'a device that was attached is the guest’s', there);
    // A front end that is to give up a device it never got ends with an error, and asks no more.
    const nodes = await plugged(soak, domain);
    checks.that(nodes.vdev !== undefined, 'a device that was attached is there for the guest', nodes);
    await toolstack.detach(domain, world.spare);
  },
};

const reset: Fault = {
  name: 'reset asked for by a guest',
  run: async ({ asking }, random) => {
    await random.pick(asking.slice(0, 2)).reset();
    await pause(random.below(500));
  },
};

/** What happens to guests that ask without pause, and must not show in any answer. */
export const askingFaults: readonly Fault[] = [quirk, plug, reset];
