// SPDX-License-Identifier: MIT

import { renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SeededRandom } from '../kit/seeded-random.ts';
import { becomes, type Fault, pause, type Soak, servedMeanwhile } from './context.ts';

/** Names of the quirks that are in force; `undefined`: nobody answers. */
export const quirksOf = async ({ keeper }: Soak): Promise<readonly string[] | undefined> => {
  const answer = (await keeper.ask('quirk-list').catch(() => undefined)) as
    | { readonly quirks: readonly { readonly name: string }[] }
    | undefined;
  return answer?.quirks.map(({ name }) => name);
};

interface PartHealth {
  readonly name: string;
  readonly health?: string;
}

const healthOf = async ({ keeper }: Soak, part: string): Promise<string> => {
  const status = (await keeper.ask('status').catch(() => undefined)) as
    | { readonly parts: readonly PartHealth[] }
    | undefined;
  return status?.parts.find(({ name }) => name === part)?.health ?? 'nobody answers';
};

/** A process that is killed after this is followed by one that knows its guests. */
const keptAgain = async (soak: Soak): Promise<void> => {
  const isKept = await becomes(
    async () => (await healthOf(soak, 'journal')).startsWith('folder '),
    10_000 * soak.stretch,
  );
  soak.checks.that(isKept, 'the journal is kept again when it can be', await healthOf(soak, 'journal'));
};

/** The rc file says something else, and SIGHUP says so. */
const reload: Fault = {
  name: 'reload with another rc file',
  run: (soak, random) =>
    servedMeanwhile(soak, 'reload', async () => {
      const { world, keeper, checks, stretch } = soak;
      const wants = random.oneIn(2);
      world.writeRc({
        ...(wants ? { quirks: [world.rcQuirk.file] } : {}),
        log: { level: random.pick(['info', 'debug']) },
      });
      keeper.hangUp();
      const isSo = await becomes(
        async () => (await quirksOf(soak))?.includes(world.rcQuirk.name) === wants,
        5000 * stretch,
      );
      checks.that(
        isSo,
        `after a reload the quirk of the rc file is ${wants ? '' : 'not '}in force`,
        await quirksOf(soak),
      );
    }),
};

const refusedReload: Fault = {
  name: 'reload that is refused',
  run: (soak, random) =>
    servedMeanwhile(soak, 'refused reload', async () => {
      const { world, keeper, checks } = soak;
      const before = await quirksOf(soak);
      if (random.oneIn(2)) world.breakRc();
      else world.writeRc({ fields: 'kernel', quirks: [world.rcQuirk.file, world.quirk.file] });
      keeper.hangUp();
      const why = await keeper.ask('reload').then(
        () => undefined,
        (error: unknown) => (error as { readonly code?: string }).code,
      );
      const refusals = ['CONFIG_UNREADABLE', 'CONFIG_INVALID', 'RELOAD_REFUSED'];
      checks.that(refusals.includes(why ?? ''), 'a wrong rc file is refused', why ?? 'accepted');
      world.writeRc(before?.includes(world.rcQuirk.name) ? { quirks: [world.rcQuirk.file] } : {});
      // The other one comes and goes meanwhile.
      const isNamed = (await quirksOf(soak))?.includes(world.rcQuirk.name);
      checks.that(isNamed === before?.includes(world.rcQuirk.name), 'a refused reload changes no quirk', isNamed);
      // The next one starts with this file.
      await keeper.ask('reload');
    }),
};

const stalledReader: Fault = {
  name: 'log reader stalls',
  run: (soak, random) =>
    servedMeanwhile(soak, 'nobody reads the log', async () => {
      const { log } = soak.keeper;
      log.stall();
      await pause(500 + random.below(3000));
      log.goOn();
    }),
};

const lostReader: Fault = {
  name: 'log reader goes away',
  run: (soak, random) =>
    servedMeanwhile(soak, 'the reader of the log is gone', async () => {
      soak.keeper.log.leave();
      await pause(200 + random.below(1000));
    }),
};

const slowStore: Fault = {
  name: 'store is slow',
  run: (soak, random) =>
    servedMeanwhile(soak, 'the store is slow', async () => {
      const each = 5 + random.below(40);
      soak.world.store = () => pause(each);
      await pause(1000 + random.below(3000));
      soak.world.store = () => undefined;
    }),
};

const stoppedStore: Fault = {
  name: 'store stands still',
  run: (soak, random) =>
    servedMeanwhile(soak, 'the store stands still', async () => {
      let goOn = (): void => undefined;
      const gate = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      soak.world.store = () => gate;
      await pause(1000 + random.below(4000));
      soak.world.store = () => undefined;
      goOn();
    }),
};

/** For the process all clocks jump. */
const frozen: Fault = {
  name: 'stopped and continued (clocks jump)',
  run: async (soak, random) => {
    await soak.keeper.freeze(100 + random.below(1200));
    await servedMeanwhile(soak, 'continued', () => pause(200 * soak.stretch));
  },
};

const journalGone: Fault = {
  name: 'journal folder gone and back',
  run: (soak, random) =>
    servedMeanwhile(soak, 'the journal is gone', async () => {
      const { journal } = soak.world;
      renameSync(journal, `${journal}.gone`);
      await pause(200 + random.below(1500));
      renameSync(`${journal}.gone`, journal);
      await keptAgain(soak);
    }),
};

const FILL_BYTES = 65_536;

/** Takes all room of the file system that the journal is on. */
const fill = (file: string): void => {
  const { bavail, bsize } = statfsSync(join(file, '..'));
  let left = bavail * bsize;
  writeFileSync(file, '');
  for (let bytes = FILL_BYTES; left > 0 && bytes > 0; ) {
    try {
      writeFileSync(file, Buffer.alloc(Math.min(bytes, left)), { flag: 'a' });
      left -= Math.min(bytes, left);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      bytes = Math.floor(bytes / 2);
    }
  }
};

const journalFull: Fault = {
  name: 'journal folder full',
  run: (soak, random) =>
    servedMeanwhile(soak, 'the journal has no room', async () => {
      const { world } = soak;
      const filler = join(world.disk, 'filler');
      fill(filler);
      await pause(500 + random.below(3000));
      rmSync(filler);
      await keptAgain(soak);
    }),
};

/** @param canFill the journal is on a small file system of its own */
export const hostFaults = (canFill: boolean): readonly Fault[] => [
  reload,
  refusedReload,
  stalledReader,
  lostReader,
  slowStore,
  stoppedStore,
  frozen,
  journalGone,
  ...(canFill ? [journalFull] : []),
];

const took = (soak: Soak, what: string, milliseconds: number): void =>
  soak.checks.that(milliseconds < 20_000 * soak.stretch, `another process serves in time: ${what}`, milliseconds);

/** Another process goes on with the guests. */
export const replacements: readonly Fault[] = (['cold start', 'standby', 'upgrade'] as const).map((way) => ({
  name: way === 'upgrade' ? way : `kill -9, ${way}`,
  run: (soak: Soak, random: SeededRandom) =>
    servedMeanwhile(soak, way, async () => {
      await pause(random.below(300));
      took(soak, way, await (way === 'upgrade' ? soak.keeper.upgrade() : soak.keeper.kill(way)));
    }),
}));
