// SPDX-License-Identifier: MIT

import { lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describeError } from '../../core/errors/index.ts';
import { type Logger, silent } from '../../core/log.ts';
import { definePlugin } from '../../core/plugin/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import { fail } from '../errors.ts';
import type { JournalOffers } from '../journal-offers.ts';
import type { NativeLoader } from '../kinds/native.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import { assertTrusted } from '../trust.ts';
import type { Earlier } from './earlier.ts';
import { journalSection } from './section.ts';

/** What the two parts share beside what others are offered. */
interface KeptOffers extends JournalOffers {
  forget(): void;
}

const DEFAULT_FOLDER = '/run/pciback';
const OPEN_TO_OTHERS = 0o022;

/** Makes sure that nobody else can change what is in the folder. @throws PcibackError `JOURNAL_FOLDER` */
const prepareFolder = async (folder: string): Promise<void> => {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await assertTrusted(folder);
    const status = lstatSync(folder);
    const isOurs = status.isDirectory() && status.uid === process.geteuid?.() && (status.mode & OPEN_TO_OTHERS) === 0;
    if (!isOurs) throw new Error('it is no folder of this user, or others may change it');
  } catch (error) {
    fail('JOURNAL_FOLDER', { folder, why: describeError(error) }, error);
  }
};

/** The first loader that loads; without one, state of registers ends with the process. */
const nativeOf = async (plugins: PluginHost, log: Logger): Promise<NativeLoader | undefined> => {
  const { natives } = plugins.registries;
  const reasons: string[] = [];
  for (const name of natives.names) {
    try {
      return await natives.get(name)();
    } catch (error) {
      reasons.push(describeError(error));
    }
  }
  log.warn({ why: reasons.join('; ') }, 'state of registers ends with this process');
  return undefined;
};

const modules = () =>
  Promise.all([import('./journal.ts'), import('./earlier.ts'), import('./quirk-notes.ts'), import('./lost-guests.ts')]);

const prepare = async (plugins: PluginHost): Promise<void> => {
  await Promise.all([modules(), nativeOf(plugins, silent)]);
};

/** @param begun told of what takes devices over, or, at the end, of nothing */
const start = async (
  context: PartContext<string | false | undefined>,
  begun: (earlier: Earlier | undefined) => void,
): Promise<RunningPart> => {
  const { options, directory, engine, log } = context;
  const chosen = options ?? (engine.platform.name === 'xen' ? DEFAULT_FOLDER : false);
  if (chosen === false) return { health: () => 'none is kept' };
  const folder = resolve(directory, chosen);
  await prepareFolder(folder);
  const [{ FolderJournal }, { Earlier }, { KeptQuirks }, { LostGuests }] = await modules();
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  const journal = new FolderJournal({ folder, boot, native: await nativeOf(engine.plugins, log), log });
  const { stub, platform, plugins } = engine;
  stub.journal = journal;
  const quirks = new KeptQuirks({ records: journal.quirks, plugins, log });
  const missing = await quirks.loadEarlier();
  const lost = await LostGuests.find({ platform, journal, log });
  const earlier = new Earlier({ platform, stub, journal, log, missing, lost });
  stub.earlier = earlier;
  begun(earlier);
  const deaf = plugins.onChange((change) => quirks.heard(change));
  const forget = (): void => {
    quirks.forget(missing);
    for (const [name] of [...journal.lost]) journal.lost.delete(name);
  };
  const offers: KeptOffers = { folder, quirks, switches: journal.switches, forget };
  return {
    health: () => (journal.broken === undefined ? `folder ${folder}` : `not kept: ${journal.broken}`),
    counters: () => ({ changes: journal.written, pages: journal.pages ?? 0 }),
    offers,
    stop: () => {
      deaf();
      begun(undefined);
      journal.close();
    },
  };
};

/** Guests are continued: what could not be had for them is no matter any more. */
const forget = (context: PartContext): RunningPart => {
  (context.part('journal') as KeptOffers | undefined)?.forget();
  return {};
};

/** Notes what a next process needs to go on with the guests of this one. */
export default definePlugin({
  name: 'journal',
  api: '^1.0',
  apply: (host) => {
    let running: Earlier | undefined;
    host.hooks.deviceSeized.tap(async ({ bdf }) => running?.noteHolding(bdf));
    host.parts.add('journal', {
      about:
        'Notes what a next process needs to go on with the guests of this one, and goes on with those of an earlier one.',
      options: journalSection,
      prepare,
      start: (context) =>
        start(context, (earlier) => {
          running = earlier;
        }),
    });
    host.parts.add('journal-taken-over', {
      about: 'Forgets what an earlier process had noted, as soon as its guests are continued or closed.',
      needs: ['guests'],
      start: forget,
    });
  },
});
