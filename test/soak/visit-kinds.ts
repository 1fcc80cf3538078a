// SPDX-License-Identifier: MIT

import { Errno } from '../../core/platform/index.ts';
import { Command, Page, Status } from '../../core/ring/layout.ts';
import { CapabilityId } from '../../plugins/platforms/embedded/image.ts';
import { pause } from './context.ts';
import { calmly, isRight, told, type Visit, type VisitKind } from './visits.ts';
import type { Mood } from './world.ts';

const ONES = 0xffff_ffff;
const FIRST_BAR = 0x10;
const IO = 0x1;
const DEVICE_CONTROL = 0x08;
const FUNCTION_RESET = 0x8000;
/** Reads of registers, here and there. */
const offsets = [0x00, 0x04, 0x08, 0x10, 0x2c, 0x3c, 0x40] as const;

const readsRight = async (visit: Visit, what: string): Promise<void> => {
  const answer = await visit.read(0);
  visit.soak.checks.that(isRight(visit, answer), `${what}: the ids are the device’s`, told(answer));
};

const plain: VisitKind = {
  name: 'comes, asks and goes',
  act: async (visit) => {
    const { checks } = visit.soak;
    if (visit.device === undefined) return;
    for (let count = 20 + visit.random.below(200); count > 0; count -= 1) {
      await readsRight(visit, 'a visitor');
      await visit.ask({ cmd: Command.confWrite, offset: 0, size: 4, value: visit.random.word() });
    }
    await readsRight(visit, 'a visitor that wrote its ids');
    checks.that(
      (await visit.ask({ cmd: 4711 })).err === Status.notImplemented,
      'an unknown command is not implemented',
    );
  },
};

/** Reads as ones, and is there again. */
const removed: VisitKind = {
  name: 'device removed and back',
  act: async (visit) => {
    const { model, random, soak } = visit;
    if (visit.device === undefined) return;
    model.isSilent = true;
    const isCalm = await calmly(visit, async () => {
      for (let count = 10 + random.below(100); count > 0; count -= 1) await visit.read(random.pick(offsets));
      await pause(random.below(500));
    });
    const answer = await visit.read(0xfc);
    if (isCalm) {
      const isSo = answer.err === Status.success && answer.value >>> 0 === ONES;
      soak.checks.that(isSo, 'a device that was removed reads as ones', told(answer));
    }
    if (random.oneIn(2)) model.isSilent = false;
  },
  after: (soak, bdf) => {
    soak.world.host.platform.pci.model(bdf).isSilent = false;
  },
};

/** The device itself answers only offsets that the table does not. */
const FROM_HARDWARE = 0xfc;

const readErrors: VisitKind = {
  name: 'config accesses fail',
  act: async (visit) => {
    const { model, random, soak } = visit;
    if (visit.device === undefined) return;
    const times = 1 + random.below(20);
    model.failNext('read', Errno.EIO, times);
    const isCalm = await calmly(visit, async () => {
      for (let count = 0; count < times + 5; count += 1) {
        const { err } = await visit.read(FROM_HARDWARE);
        soak.checks.that(err === Status.success || err === Status.opFailed, 'a read that fails is op_failed', err);
      }
    });
    if (!isCalm) return;
    const answer = await visit.read(FROM_HARDWARE);
    soak.checks.that(answer.err === Status.success, 'after errors reads work again', told(answer));
    await readsRight(visit, 'after errors');
  },
  after: (soak, bdf) => soak.world.host.platform.pci.model(bdf).failNext('read', Errno.EIO, 0),
};

/** Resets that hang, and what ends each. */
const hanging = new Map<number, () => void>();

const hungReset: VisitKind = {
  name: 'a reset hangs',
  act: async (visit) => {
    const { model, soak, bdf } = visit;
    const express = visit.device?.capabilities.find(({ id }) => id === CapabilityId.express)?.offset;
    if (express === undefined || model.resetMethods()[0] !== 'flr') return;
    model.resetTakes = () => new Promise((resolve) => hanging.set(bdf, resolve));
    const since = performance.now();
    const isCalm = await calmly(visit, async () => {
      const write = { cmd: Command.confWrite, offset: express + DEVICE_CONTROL, size: 2, value: FUNCTION_RESET };
      const { err } = await visit.ask(write);
      soak.checks.that(err === Status.opFailed || err === Status.success, 'a reset that hangs is answered', err);
    });
    const took = performance.now() - since;
    if (isCalm) soak.checks.that(took < 3000 * soak.stretch, 'a reset that hangs is given up', took);
    await visit.read(0);
  },
  after: (soak, bdf) => {
    soak.world.host.platform.pci.model(bdf).resetTakes = undefined;
    hanging.get(bdf)?.();
    hanging.delete(bdf);
  },
};

/** The hooks of a plugin do this when the guest comes and when it goes. */
const plugin = (does: Mood): VisitKind => ({
  name: `a plugin ${does}`,
  mayLack: true,
  before: ({ world }, bdf) => world.mood(does, bdf),
  act: async (visit) => {
    if (visit.device === undefined) return;
    await readsRight(visit, `a plugin ${does}`);
  },
  // Not before the device has come back: that has a hook too.
  gone: ({ world }, bdf) => world.mood('nothing', bdf),
});

/** The node that a guest may write as it likes. */
const stateNode = ({ guest }: Visit): string => `/local/domain/${guest.domain}/device/pci/0/state`;

const toggling: VisitKind = {
  name: 'a guest toggles its state',
  act: async (visit) => {
    const store = visit.soak.world.host.platform.store.connect(visit.guest.domain);
    for (let count = 50 + visit.random.below(200); count > 0; count -= 1) {
      await store.write(stateNode(visit), visit.random.pick(['8', '4', '4', '8', '6', '3', '99', 'x']));
      if (visit.random.oneIn(20)) await pause(1);
    }
    store.close();
  },
};

const flooding: VisitKind = {
  name: 'a guest sends empty events',
  act: async ({ guest, random }) => {
    for (let count = 500 + random.below(2000); count > 0; count -= 1) {
      guest.notify();
      if (random.oneIn(50)) await pause(1);
    }
  },
};

const rubbish: VisitKind = {
  name: 'a guest sends rubbish',
  act: async (visit) => {
    const { random } = visit;
    for (let count = 50 + random.below(200); count > 0; count -= 1) {
      const number = (): number => (random.oneIn(2) ? random.below(300) : random.word());
      await visit.ask({
        cmd: random.oneIn(2) ? random.below(10) : random.word(),
        offset: number(),
        size: random.pick([0, 1, 2, 3, 4, 8, ONES]),
        value: random.word(),
        info: number(),
        entries: Array.from({ length: random.below(20) }, () => random.below(0x10000)),
        ...(random.oneIn(2) ? {} : { domain: number(), bus: number(), devfn: number() }),
      });
    }
    if (visit.device !== undefined) await visit.read(0);
  },
};

const scribbling: VisitKind = {
  name: 'a guest scribbles over its page',
  act: async ({ guest, random }) => {
    for (let count = 20 + random.below(100); count > 0; count -= 1) {
      const page = guest.page();
      if (page === undefined) return;
      const words = new Uint32Array(page);
      for (let more = random.below(20); more > 0; more -= 1) words[random.below(Page.used >> 2)] = random.word();
      guest.notify();
      await pause(1);
    }
  },
};

/** The host moves a register of the device between two guests. */
const moved: VisitKind = {
  name: 'host moves a BAR',
  before: ({ world }, bdf) => {
    const { pci } = world.host.platform;
    const model = pci.model(bdf);
    if ((model.peek(FIRST_BAR, 4) & IO) !== 0) return;
    model.moveBar(0, model.barStart(0) === 0xd000_0000n ? 0xd400_0000n : 0xd000_0000n);
    world.host.rebind(bdf);
  },
  act: async ({ device, model, soak }) => {
    const start = device?.bars.find(({ index }) => index === 0)?.start;
    if (device === undefined) return;
    soak.checks.that(start === Number(model.barStart(0)), 'a guest sees where a BAR is now', start);
  },
};

export const visitKinds: readonly VisitKind[] = [
  plain,
  plain,
  removed,
  readErrors,
  hungReset,
  plugin('throws'),
  plugin('hangs'),
  plugin('blocks'),
  toggling,
  flooding,
  rubbish,
  scribbling,
  moved,
];
