// SPDX-License-Identifier: MIT

import { describeError } from '../../core/errors/index.ts';
import { silent } from '../../core/log.ts';
import { XenbusState } from '../../core/xenbus/index.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';

/** Lives of the guest: the engine compiles for good what has run in the first. */
const LIVES = 2;
/** Milliseconds after the start: whoever waits for that comes first. */
const DELAY = 100;

/** What runs beside the engine is left out: it would run twice in this process. */
const bundledParts = ({ plugins }: PartContext['engine']): string[] => {
  const bringing = new Set(plugins.registries.parts.owned.map(({ plugin }) => plugin));
  return plugins.loaded
    .filter(({ name, origin }) => origin === 'bundled' && bringing.has(name))
    .map(({ name }) => name);
};

/** @param ended asked between two steps */
const rehearse = async ({ engine }: PartContext, ended: () => boolean): Promise<void> => {
  const { createEmbeddedPlatform, sample, startPciback } = await import('../program/index.ts');
  const nic = sample('e1000e');
  const platform = createEmbeddedPlatform({ devices: [nic] });
  // The bundled plugins in a host of their own: what others bring must not meet a guest that is not there.
  const { engine: stage, stop } = await startPciback({
    config: { without: bundledParts(engine) },
    platform,
    log: silent,
  });
  try {
    await stage.stub.seize(nic.bdf);
    for (let life = 0; life < LIVES && !ended(); life++) {
      const domain = await platform.toolstack.create({ devices: [nic.bdf] });
      const guest = await platform.startGuest({ domain });
      await guest.reached(XenbusState.connected);
      await platform.toolstack.destroy(domain);
      while (stage.guests().length > 0 && !ended()) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  } finally {
    await stop();
  }
};

/** Begins when nothing else is to be done and no guest is there; a guest that comes meanwhile is served between its steps. */
export const rehearseSoon = (context: PartContext): RunningPart => {
  let state = context.engine.guests().length > 0 ? 'not needed: guests were there' : 'to come';
  let ended = state !== 'to come';
  const began = performance.now();
  const work = async (): Promise<void> => {
    try {
      await rehearse(context, () => ended || context.engine.guests().length > 0);
      state = `done in ${Math.round(performance.now() - began)} ms`;
    } catch (error) {
      state = `failed: ${describeError(error)}`;
      context.log.warn({ why: describeError(error) }, 'the first guest will be answered later than others');
    }
  };
  let running: Promise<void> | undefined;
  const timer = setTimeout(() => {
    if (!ended) running = work();
  }, DELAY);
  return {
    health: () => state,
    stop: async () => {
      ended = true;
      clearTimeout(timer);
      await running;
    },
  };
};
