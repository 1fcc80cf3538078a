// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeError } from '../../core/errors/index.ts';
import { silent } from '../../core/log.ts';
import type { Platform } from '../../core/platform/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import { Command } from '../../core/ring/layout.ts';
import { XenbusState } from '../../core/xenbus/index.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';

/** Lives of the guest: the engine compiles for good what has run in the first. */
const LIVES = 2;
/** Milliseconds after the start: whoever waits for that comes first. */
const DELAY = 100;

/** A host that is not there, with one device; services on it have the bundled plugins. */
const stageOf = async (plugins: PluginHost) => {
  const { createEmbeddedPlatform, sample, startPciback } = await import('../program/index.ts');
  const nic = sample('e1000e');
  const host = createEmbeddedPlatform({ devices: [nic] });
  const bringing = new Set(plugins.registries.parts.owned.map(({ plugin }) => plugin));
  const parts = plugins.loaded
    .filter(({ name, origin }) => origin === 'bundled' && bringing.has(name))
    .map(({ name }) => name);
  return {
    host,
    nic: nic.bdf,
    /**
     * What runs beside an engine is left out, because it would run twice in this process; and so are plugins of others, which
     * must not meet a guest that is not there.
     *
     * @param beside sections of parts that run all the same
     */
    serve: (platform: Platform, beside: Readonly<Record<string, string>> = {}) => {
      const without = parts.filter((name) => !(name in beside));
      return startPciback({ config: { without, ...beside }, platform, log: silent });
    },
  };
};

/** @param ended asked between two steps */
const rehearse = async (plugins: PluginHost, ended: () => boolean): Promise<void> => {
  const { host, nic, serve } = await stageOf(plugins);
  const { engine, stop } = await serve(host);
  try {
    await engine.stub.seize(nic);
    for (let life = 0; life < LIVES && !ended(); life++) {
      const domain = await host.toolstack.create({ devices: [nic] });
      const guest = await host.startGuest({ domain });
      await guest.reached(XenbusState.connected);
      await host.toolstack.destroy(domain);
      while (engine.guests().length > 0 && !ended()) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  } finally {
    await stop();
  }
};

/** Takes a guest over that is not there, once: until then guests wait for this process to be ready, on a slow host for long. */
export const rehearseTakeOver = async (plugins: PluginHost): Promise<void> => {
  const { host, nic, serve } = await stageOf(plugins);
  const folder = mkdtempSync(join(tmpdir(), 'pciback-rehearsal-'));
  const beside = { journal: join(folder, 'journal'), control: join(folder, 'control') };
  let service = await serve(host.session().platform, beside);
  try {
    await service.engine.stub.seize(nic);
    const domain = await host.toolstack.create({ devices: [nic] });
    const guest = await host.startGuest({ domain });
    await guest.reached(XenbusState.connected);
    await service.abandon();
    service = await serve(host.session().platform, beside);
    await guest.request({ cmd: Command.confRead, size: 4 });
    await host.toolstack.destroy(domain);
  } finally {
    await service.stop();
    rmSync(folder, { recursive: true });
  }
};

/** Begins when nothing else is to be done and no guest is there; a guest that comes meanwhile is served between its steps. */
export const rehearseSoon = (context: PartContext): RunningPart => {
  const { engine, log } = context;
  let state = engine.guests().length > 0 ? 'not needed: guests were there' : 'to come';
  let ended = state !== 'to come';
  const began = performance.now();
  const work = async (): Promise<void> => {
    try {
      await rehearse(engine.plugins, () => ended || engine.guests().length > 0);
      state = `done in ${Math.round(performance.now() - began)} ms`;
    } catch (error) {
      state = `failed: ${describeError(error)}`;
      log.warn({ why: describeError(error) }, 'the first guest will be answered later than others');
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
