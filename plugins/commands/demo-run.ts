// SPDX-License-Identifier: MIT

import { basename, resolve } from 'node:path';
import { type Bdf, formatBdf } from '../../core/bdf.ts';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import { type Logger, silent } from '../../core/log.ts';
import type { Ledger } from '../../core/pciback.ts';
import type { Denial } from '../../core/space/denials.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { LoadedConfig } from '../kinds/config.ts';
import {
  createEmbeddedPlatform,
  type DeviceImage,
  type GuestDevice,
  hostDevices,
  limitsOf,
  readDump,
  samples,
} from '../program/index.ts';
import { startLoaded, withSection } from '../program/start.ts';
import { type QuirkFit, type QuirkMiss, quirksForNone, quirksOf } from '../quirk-fits.ts';
import { demoDocument, printDemo } from './demo-report.ts';
import { bootGuest, type Skipped, seizeAll } from './included-guest.ts';

/** One guest with the devices of one source. */
export interface DemoGroup {
  readonly name: string;
  readonly skipped: readonly Skipped[];
  /** What the guest sees, with the function of the host behind it. */
  readonly devices: readonly { readonly seen: GuestDevice; readonly host: Bdf }[];
  /** Requests by command name, as the guest sent them. */
  readonly requests: Readonly<Record<string, number>>;
  /** Answers by status name. */
  readonly answers: Readonly<Record<string, number>>;
  readonly denials: readonly Denial[];
  /** The quirks that are for devices of the guest, and those that somebody loaded and that are for none. */
  readonly quirks: ReadonlyMap<Bdf, readonly QuirkFit[]>;
  readonly unmatched: readonly QuirkMiss[];
  /** What was still held after the end; all zero when everything was given back. */
  readonly ledger: Ledger;
  /** Worth knowing: warnings of the log, and what limits the picture. */
  readonly notes: readonly string[];
  /** The guest did not come up; the notes say why. */
  readonly failed: boolean;
}

interface Source {
  readonly name: string;
  /** @param note told what is left out */
  load(note: (line: string) => void): Promise<readonly DeviceImage[]>;
}

const sourcesOf = (context: CommandContext): readonly Source[] =>
  context.arguments.length > 0
    ? context.arguments.map((file) => ({ name: basename(file), load: (note) => readDump(resolve(file), note) }))
    : [
        { name: 'this host', load: (note) => hostDevices(undefined, note) },
        { name: 'samples', load: async () => samples() },
      ];

/** Keeps warnings and errors as lines. */
const noting = (notes: string[]): Logger => {
  const note = (facts: object, message: string): void => {
    const details = Object.entries(facts).map(([key, value]) => `${key} ${String(value)}`);
    notes.push([message, ...details].join(', '));
  };
  return { ...silent, warn: note, error: note };
};

const nothing: Ledger = { mapped: 0, bound: 0, pirqs: 0, assigned: 0 };

const empty = (name: string, notes: readonly string[], skipped: readonly Skipped[] = []): DemoGroup => ({
  name,
  skipped,
  devices: [],
  requests: {},
  answers: {},
  denials: [],
  quirks: new Map(),
  unmatched: [],
  ledger: nothing,
  notes,
  failed: false,
});

const runGroup = async (source: Source, loaded: LoadedConfig): Promise<DemoGroup> => {
  const notes: string[] = [];
  const images = await source.load((line) => notes.push(line));
  if (images.length === 0) return empty(source.name, [...notes, 'there are no PCI functions']);
  notes.push(...limitsOf(images));
  const platform = createEmbeddedPlatform({ devices: images });
  const running = await startLoaded(loaded, { platform, log: noting(notes) });
  const { engine } = running;
  try {
    const { devices, skipped } = await seizeAll(engine);
    if (devices.length === 0) return empty(source.name, [...notes, 'there is nothing for a guest'], skipped);
    const booted = await bootGuest(platform, source.name, devices).catch((error: unknown) => {
      notes.push(`the guest did not come up: ${describeError(error)}`);
    });
    if (!booted) return { ...empty(source.name, notes, skipped), failed: true };
    const { report } = booted;
    const served = engine.guests().find((guest) => guest.domain === report.domain);
    const hostOf = new Map(served?.devices.map((device) => [formatBdf(device.vdev), device.bdf]));
    const quirks = new Map(
      engine.stub.devices.flatMap((one) =>
        one.assignment === undefined ? [] : [[one.bdf, quirksOf(engine.plugins, one, one.assignment.space)] as const],
      ),
    );
    const identities = engine.stub.devices.map(({ identity }) => identity);
    const unmatched = quirksForNone(engine.plugins, identities);
    const ledger = await engine.stop();
    notes.push(...platform.hypervisor.ledger().illegal.map((line) => `broken obligation: ${line}`));
    return {
      name: source.name,
      skipped,
      devices: report.devices.flatMap((seen) => {
        const host = hostOf.get(seen.vdev);
        return host === undefined ? [] : [{ seen, host }];
      }),
      requests: served?.requests ?? {},
      answers: served?.errors ?? {},
      denials: served?.denials ?? [],
      quirks,
      unmatched,
      ledger,
      notes,
      failed: false,
    };
  } finally {
    await running.stop();
  }
};

/**
 * Serves one guest per source of devices, in this process, and prints what it saw and what it was denied.
 *
 * @returns 0; 1 when a guest did not come up or something was still held at the end
 * @throws PcibackError `FILE_UNREADABLE`, `DUMP_INVALID`, and what the rc file is refused for
 */
export const runDemo = async (context: CommandContext): Promise<number> => {
  const given = await context.config();
  const config = withSection({ ...given.config, platform: 'embedded', hide: [] }, 'control', false);
  const loaded = { ...given, config };
  const groups: DemoGroup[] = [];
  for (const source of sourcesOf(context)) {
    try {
      groups.push(await runGroup(source, loaded));
    } catch (error) {
      // The samples still show something on a host whose /sys cannot be read.
      if (source.name !== 'this host' || !isPcibackError(error, 'FILE_UNREADABLE')) throw error;
      groups.push(empty(source.name, [error.message]));
    }
  }
  if (context.options.json === true) context.print(JSON.stringify(demoDocument(groups), undefined, 2));
  else printDemo(groups, context.print);
  const clean = groups.every((group) => !group.failed && Object.values(group.ledger).every((held) => held === 0));
  return clean ? 0 : 1;
};
