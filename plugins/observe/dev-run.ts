// SPDX-License-Identifier: MIT

import { basename, relative, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { formatBdf, hex, parseBdf } from '../../core/bdf.ts';
import { isPcibackError } from '../../core/errors/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import { matches } from '../../core/quirk/quirk.ts';
import { fail } from '../errors.ts';
import { fateOf } from '../fates.ts';
import { filesOf, markOf } from '../imported.ts';
import type { CommandContext } from '../kinds/command.ts';
import { mismatchOf, type QuirkFit, quirksOf } from '../quirk-fits.ts';
import { readGiven } from '../read-text.ts';
import { imageOfDump, placedDump } from './dump-device.ts';
import { parseScript } from './script.ts';
import { placeText } from './script-terms.ts';
import { claimsOfQuirks, holdRemembering, type TrialReport, type Tried, tryScript } from './trial.ts';

const usage = (what: string): never => fail('USAGE', { what, nearest: undefined });

/** What is tried. */
export interface DevTerms {
  /** Absolute. */
  readonly quirk: string;
  /** Absolute, or the name of a sample. */
  readonly dump: string;
  /** Absolute. */
  readonly writes?: string;
  /** Address of the device, where the dump has several. */
  readonly device?: string;
}

/** What came of it. */
export interface DevReport {
  readonly device: string;
  readonly ids: string;
  readonly quirks: readonly { readonly name: string; readonly mismatch?: string; readonly fit?: QuirkFit }[];
  /** Bits that the quirks have in this device: by register, with what becomes of a write. */
  readonly bits: readonly {
    readonly offset: number;
    readonly mask: number;
    readonly policy: string;
    readonly owner: string;
  }[];
  readonly script?: { readonly file: string; readonly form: string; readonly notes: readonly string[] };
  readonly trial?: TrialReport;
  /** Each access in words, several lines each. */
  readonly accesses: readonly string[];
  readonly notes: readonly string[];
  readonly isGood: boolean;
}

/** Loads what a file brings in the place of what it brought before. @returns its names */
const loadFile = async (plugins: PluginHost, file: string, before: readonly string[]): Promise<readonly string[]> => {
  const things = await plugins.read(file, 'quirk dev');
  for (const name of before) if (plugins.loaded.some((one) => one.name === name)) plugins.unload(name);
  const names: string[] = [];
  try {
    for (const thing of things) {
      await plugins.replace(thing, undefined, file);
      names.push(thing.name);
    }
  } catch (error) {
    for (const name of names) plugins.unload(name);
    throw error;
  }
  return names;
};

const accessText = (
  { step, access, impossible, unmet, concerned }: Tried,
  space: Parameters<typeof fateOf>[1],
): string => {
  if (impossible !== undefined) return `${placeText(step.place)}:${step.size} ${step.kind}: not made, ${impossible}`;
  const { kind, offset, size, value, status } = access;
  const failures = unmet.map((why) => `\n      ! ${why}`).join('');
  if (kind === 'write') return `${fateOf({ ...access, times: 1 }, space)}${failures}`;
  const then = step.value;
  const differs = then === undefined || then === value ? '' : `, was ${hex(then, 2 * size)}`;
  const whose = concerned === 0 ? '' : ` (bits ${hex(concerned, 2 * size)} of the quirk)`;
  const failed = status === 0 ? '' : `, status ${status}`;
  return `0x${hex(offset, 3)}:${size} reads ${hex(value, 2 * size)}${differs}${whose}${failed}${failures}`;
};

/**
 * Tries quirks on a device of a dump, with a driver's accesses.
 *
 * @param plugins loaded; the quirks are loaded into them, in the place of `before`
 * @param tell told the names of what was loaded
 * @throws PcibackError what files, quirks and device are refused for
 */
export const tryQuirk = async (
  context: CommandContext,
  terms: DevTerms,
  before: readonly string[],
  tell: (names: readonly string[]) => void,
): Promise<DevReport> => {
  const [{ config }, plugins] = await Promise.all([context.config(), context.plugins()]);
  const owners = await loadFile(plugins, terms.quirk, before);
  tell(owners);
  const quirks = plugins.registries.quirks.owned
    .filter(({ plugin }) => owners.includes(plugin))
    .map(({ thing }) => thing);
  const vendors = quirks.flatMap(({ match }) => match.map(({ vendor }) => vendor));
  const { device } = terms;
  const { image, images, notes } = await imageOfDump(terms.dump, terms.device, ({ vendor }) =>
    vendors.includes(vendor),
  );
  if (device !== undefined && parseBdf(device) !== image.bdf) {
    fail('DEVICE_NOT_FOUND', { bdf: device, platform: `embedded (devices of ${terms.dump})` });
  }
  const script = terms.writes === undefined ? undefined : parseScript(await readGiven(terms.writes), terms.writes);
  const names = new Set(quirks.map(({ name }) => name));
  const held = await holdRemembering(images, image, { plugins, config }, names);
  try {
    const { identity } = held.device;
    const { space } = held.assignment;
    const fits = quirksOf(plugins, held.device, space);
    const found = quirks.map((quirk) => {
      const { name } = quirk;
      const mismatch = matches(quirk, identity) ? undefined : mismatchOf(quirk, identity);
      const fit = fits.find((one) => one.name === name);
      return { name, ...(mismatch === undefined ? {} : { mismatch }), ...(fit === undefined ? {} : { fit }) };
    });
    const bits = claimsOfQuirks(held, names).map(({ dword, mask, policy, owner }) => ({
      offset: dword,
      mask,
      policy,
      owner,
    }));
    const trial = script === undefined ? undefined : await tryScript(held, script, names);
    const accesses = trial?.tried.map((one) => accessText(one, space)) ?? [];
    const unmet = trial?.tried.some((one) => one.unmet.length > 0) ?? false;
    const out = found.some(
      ({ mismatch, fit }) => mismatch !== undefined || fit?.sets.some(({ kind }) => kind === 'conflict'),
    );
    return {
      device: formatBdf(image.bdf),
      ids: `${hex(identity.vendor, 4)}:${hex(identity.device, 4)}`,
      quirks: found,
      bits,
      ...(script === undefined ? {} : { script: { file: terms.writes ?? '', form: script.form, notes: script.notes } }),
      ...(trial === undefined ? {} : { trial }),
      accesses,
      notes,
      isGood: !unmet && !out && quirks.length > 0,
    };
  } finally {
    await held.close();
  }
};

const near = (file: string): string => {
  const path = relative(process.cwd(), file);
  return path.length < file.length ? path : file;
};

const sum = ({ tried }: TrialReport): string => {
  const made = tried.filter(({ impossible }) => impossible === undefined);
  const writes = made.filter(({ access }) => access.kind === 'write');
  const denied = writes.filter(({ access }) => access.denied !== 0).length;
  const unmet = made.reduce((count, one) => count + one.unmet.length, 0);
  return [
    `${writes.length} writes, ${denied} of them with refused bits`,
    `${made.length - writes.length} reads`,
    ...(made.length === tried.length ? [] : [`${tried.length - made.length} accesses could not be made`]),
    ...(unmet === 0 ? [] : [`${unmet} expectations were not met`]),
  ].join('; ');
};

const printReport = (report: DevReport, { quirk }: DevTerms, print: (line: string) => void): void => {
  const { device, ids, quirks, bits, script, trial, notes } = report;
  print(`${near(quirk)} on ${ids} at ${device}`);
  for (const note of notes) print(`  note: ${note}`);
  if (quirks.length === 0) print('  there is no quirk in it');
  for (const { name, mismatch, fit } of quirks) {
    if (mismatch !== undefined) print(`  ${name} is not for this device: ${mismatch}`);
    for (const { set, why } of fit?.sets ?? []) print(`  ${name}: ${set}: ${why ?? 'in force'}`);
    if (fit !== undefined && fit.sets.length === 0) print(`  ${name}: in force, without registers`);
  }
  for (const one of bits) print(`    0x${hex(one.offset, 3)}:4 ${hex(one.mask, 8)} ${one.policy} (${one.owner})`);
  if (script === undefined || trial === undefined) return;
  print(`\n${near(script.file)}, ${script.form}: ${trial.tried.length} accesses`);
  for (const note of script.notes) print(`  note: ${note}`);
  for (const line of report.accesses) for (const part of line.split('\n')) print(`  ${part}`);
  print(`\n${sum(trial)}`);
  if (trial.untouched.length === 0) return;
  print('bits of the quirk that no access used');
  for (const { dword, mask, owner } of trial.untouched) print(`  0x${hex(dword, 3)}:4 ${hex(mask, 8)} (${owner})`);
};

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

const termsOf = (context: CommandContext): DevTerms => {
  const [, file] = context.arguments;
  const { dump, device, writes } = context.options;
  const [dumped, ...others] = Array.isArray(dump) ? dump : [];
  if (file === undefined) return usage('quirk dev needs the file of a quirk, or --guest');
  if (dumped === undefined || others.length > 0) {
    return usage('quirk dev needs --dump: one dump of the device, or the name of a sample');
  }
  const [address] = Array.isArray(device) ? device : [];
  const script = text(writes);
  return {
    quirk: resolve(file),
    dump: placedDump(dumped),
    ...(script === undefined ? {} : { writes: resolve(script) }),
    ...(address === undefined ? {} : { device: address }),
  };
};

/** Milliseconds between two looks at the files. */
const LOOK_MS = 200;

/** Resolves with the first of the files that was saved since it had its mark; `undefined`: the command is to end. */
const nextSave = async (marks: ReadonlyMap<string, string>, stop: AbortSignal): Promise<string | undefined> => {
  while (!stop.aborted) {
    await wait(LOOK_MS, undefined, { signal: stop }).catch(() => undefined);
    const saved = [...marks.keys()].find((file) => marks.get(file) !== markOf(file));
    if (saved !== undefined && !stop.aborted) return saved;
  }
  return undefined;
};

/**
 * Tries a quirk on a dump, without a guest; with `--watch` again whenever one of its files is saved.
 *
 * @returns 0; 1 when the quirk is not for the device, is left out, or an expectation is not met
 * @throws PcibackError `USAGE`; what files and quirks are refused for, with `--watch` printed instead
 */
export const runDevOnDump = async (context: CommandContext): Promise<number> => {
  const terms = termsOf(context);
  const watches = context.options.watch === true;
  const stop = new AbortController();
  if (watches) void context.stop.then(() => stop.abort());
  let names: readonly string[] = [];
  for (;;) {
    const files = [...(await filesOf(terms.quirk)), terms.dump, ...(terms.writes === undefined ? [] : [terms.writes])];
    // Before they are read: a save meanwhile is one too.
    const marks = new Map(files.map((file) => [file, markOf(file)]));
    let status = 1;
    try {
      const report = await tryQuirk(context, terms, names, (loaded) => {
        names = loaded;
      });
      if (context.options.json === true) context.print(JSON.stringify(report, undefined, 2));
      else printReport(report, terms, context.print);
      status = report.isGood ? 0 : 1;
    } catch (error) {
      if (!watches || !isPcibackError(error)) throw error;
      context.print(`error ${error.code}: ${error.message}\n  next: ${error.solve}`);
    }
    if (!watches) return status;
    context.print(
      `\nwaiting for a save of ${files.length === 1 ? basename(terms.quirk) : `one of ${files.length} files`}`,
    );
    const saved = await nextSave(marks, stop.signal);
    if (saved === undefined) return status;
    context.print(`\n${near(saved)} was saved`);
  }
};
