// SPDX-License-Identifier: MIT

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatBdf, hex } from '../../core/bdf.ts';
import { silent } from '../../core/log.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { type DumpedDevice, imageOfDump } from '../../plugins/observe/dump-device.ts';
import type { HeldDevice } from '../../plugins/observe/held-device.ts';
import { parseScript } from '../../plugins/observe/script.ts';
import { type Expectation, placeOf, type Script, type Size, type Step } from '../../plugins/observe/script-terms.ts';
import { imageOf } from '../../plugins/observe/trace-session.ts';
import { holdRemembering, type TrialReport, tryScript } from '../../plugins/observe/trial.ts';
import type { DeviceImage } from '../../plugins/platforms/embedded/image.ts';
import { parseConfig } from '../../plugins/program/rc-file.ts';
import { loadPlugins } from '../../plugins/program/start.ts';
import { mismatchOf, quirksOf } from '../../plugins/quirk-fits.ts';

/** One access of a driver, with its outcome. Places as in a script: `0xe8`, `CAP09+4`, or a number. */
export type DeclaredAccess =
  | {
      readonly write: number | string;
      readonly size: Size;
      readonly value: number;
      /** `accepted`: no bit is refused; `denied`: some are; a number: exactly these are. */
      readonly outcome: 'accepted' | 'denied' | number;
      /** What the register shows then; missing: not looked at. */
      readonly shows?: number;
    }
  | { readonly read: number | string; readonly size: Size; readonly shows: number };

/** What a quirk is tested with. */
export interface QuirkCase {
  /** The device: the path of a dump, the name of a bundled sample, or an image. Missing: as `session` shows it. */
  readonly dump?: string | URL | DeviceImage;
  /** Of a dump of several devices, or a trace of several, the one that is meant. */
  readonly device?: string;
  /** The fields beside the quirk; missing: `full`. */
  readonly fields?: 'kernel' | 'full';
  /** Every access, each with its outcome: as data, or as the lines of a script (`w 0xe8 2 0x3`, `expect accepted`). */
  readonly accesses?: string | readonly DeclaredAccess[];
  /** In place of them the path of a recorded session or of a trace of QEMU, in which everything worked. */
  readonly session?: string | URL;
  /** Gets the verdict; missing: the console. */
  readonly print?: (line: string) => void;
}

/** What a test of a quirk says. */
export interface QuirkVerdict {
  readonly text: string;
  /** Accesses that were made. */
  readonly accesses: number;
  /** Bits that a guest can have the device get, beyond the bundled fields. */
  readonly opened: number;
}

/** Paths count from where the test runs. */
const pathOf = (file: string | URL): string => resolve(typeof file === 'string' ? file : fileURLToPath(file));

/** @throws Error for a place that is none */
const stepOf = (one: DeclaredAccess, index: number): Step => {
  const line = index + 1;
  const where = 'write' in one ? one.write : one.read;
  const place = placeOf(typeof where === 'string' ? where : where.toString(16));
  if (place === undefined) throw new Error(`access ${line}: "${where}" is no place in config space`);
  const shows: Expectation[] = one.shows === undefined ? [] : [{ kind: 'shows', value: one.shows >>> 0, line }];
  if (!('write' in one)) return { line, kind: 'read', place, size: one.size, expects: shows };
  const { outcome, size, value } = one;
  const first: Expectation =
    typeof outcome === 'number' ? { kind: 'denied', mask: outcome >>> 0, line } : { kind: outcome, line };
  return { line, kind: 'write', place, size, value: value >>> 0, expects: [first, ...shows] };
};

const scriptOf = async ({ accesses, session, device }: QuirkCase): Promise<Script> => {
  if ((accesses === undefined) === (session === undefined)) {
    throw new Error('a test of a quirk has either `accesses`, each with its outcome, or a `session`');
  }
  if (session !== undefined) {
    const file = pathOf(session);
    return parseScript(await readFile(file, 'utf8'), file, device);
  }
  if (typeof accesses === 'string') return parseScript(accesses, 'accesses');
  return { form: 'plain', steps: (accesses ?? []).map(stepOf), notes: [] };
};

const deviceOf = async (terms: QuirkCase, script: Script, quirks: readonly Quirk[]): Promise<DumpedDevice> => {
  const { dump, device, session } = terms;
  if (dump === undefined && session === undefined) throw new Error('a test of a quirk needs `dump`, the device');
  if (dump === undefined) {
    const image = imageOf(script, pathOf(session ?? ''));
    return { image, images: [image], notes: [] };
  }
  if (typeof dump === 'object' && 'config' in dump) return { image: dump, images: [dump], notes: [] };
  const vendors = quirks.flatMap(({ match }) => match.map(({ vendor }) => vendor));
  return imageOfDump(typeof dump === 'string' ? dump : pathOf(dump), device, ({ vendor }) => vendors.includes(vendor));
};

const nameOf = ({ kind, place, size }: Step): string =>
  `${kind} of ${size} bytes at ${place.capability === undefined ? '' : 'capability +'}0x${hex(place.offset, 2)}`;

/** What is wrong with the quirk, or with its test. */
const complaints = (report: TrialReport, terms: QuirkCase): readonly string[] => {
  const { tried, untouched } = report;
  const isDeclared = terms.session === undefined;
  const found = tried.flatMap(({ unmet }) => unmet);
  for (const { step, access, concerned } of tried) {
    const line = `line ${step.line}: `;
    if (!isDeclared) {
      // Bits that changed in the session, that nobody claims here, and that are refused.
      if (access.kind === 'write' && access.wanted !== 0 && access.denied !== 0) {
        found.push(
          `${line}the session needs bits 0x${hex(access.wanted & access.denied, 2 * access.size)} of its ${nameOf(step)}`,
        );
      }
      continue;
    }
    if (step.expects.length === 0) found.push(`${line}the ${nameOf(step)} has no outcome`);
    if (concerned === 0) found.push(`${line}no bit of the quirk is concerned by the ${nameOf(step)}`);
  }
  for (const { dword, mask, owner } of untouched) {
    found.push(`no access uses bits 0x${hex(mask, 8)} at 0x${hex(dword, 2)} (${owner})`);
  }
  return found;
};

const fitOf = (plugins: PluginHost, { device, assignment }: HeldDevice, quirk: Quirk): readonly string[] => {
  const mismatch = mismatchOf(quirk, device.identity);
  if (mismatch !== undefined) return [`${quirk.name} is not for the device: ${mismatch}`];
  const fit = quirksOf(plugins, device, assignment.space).find(({ name }) => name === quirk.name);
  const out = (fit?.sets ?? []).filter(({ kind }) => kind === 'conflict');
  return out.map(({ set, why }) => `${quirk.name}: ${set} is left out: ${why}`);
};

const loadQuirks = async (plugins: PluginHost, quirk: Quirk | string | URL): Promise<readonly Quirk[]> => {
  const isFile = typeof quirk === 'string' || quirk instanceof URL;
  const things = isFile ? await plugins.read(pathOf(quirk), 'testQuirk') : [quirk];
  const quirks: Quirk[] = [];
  for (const thing of things) {
    if (thing.kind !== 'quirk') throw new Error(`${thing.name} is a plugin, not a quirk`);
    await plugins.replace(thing, undefined, 'testQuirk');
    quirks.push(thing);
  }
  return quirks;
};

/**
 * Tests a quirk on a device: every access of a driver, with what has to come of it; or a session in which everything worked, with
 * nothing to declare. It looks at the test as well: an access that no bit of the quirk is concerned by, one without an outcome,
 * and a bit of the quirk that no access uses are wrong too. A bit is used when a write changes it, or, where it cannot be written,
 * when it is read.
 *
 * @param quirk itself, or the path of its file
 * @returns the verdict, which is printed
 * @throws Error with all that is wrong, a line each; PcibackError what files, device and quirk are refused for
 */
export const testQuirk = async (quirk: Quirk | string | URL, terms: QuirkCase): Promise<QuirkVerdict> => {
  const { fields = 'full', print = console.log } = terms;
  const directory = process.cwd();
  const config = await parseConfig({ fields }, 'testQuirk', directory);
  const plugins = await loadPlugins({ config, directory }, silent);
  try {
    const quirks = await loadQuirks(plugins, quirk);
    const names = new Set(quirks.map(({ name }) => name));
    const script = await scriptOf(terms);
    const { image, images } = await deviceOf(terms, script, quirks);
    const held = await holdRemembering(images, image, { plugins, config }, names);
    try {
      const { vendor, device } = held.device.identity;
      const title = `${[...names].join(', ')} on ${hex(vendor, 4)}:${hex(device, 4)}`;
      const report = await tryScript(held, script, names);
      const wrong = [...quirks.flatMap((one) => fitOf(plugins, held, one)), ...complaints(report, terms)];
      if (wrong.length > 0)
        throw new Error(`${title} (${formatBdf(image.bdf)}):\n${wrong.map((why) => `  ${why}`).join('\n')}`);
      const { opened, tried } = report;
      const text = `${title}: denies nothing that is needed, allows ${opened} bits beyond the bundled fields (${tried.length} accesses)`;
      print(text);
      return { text, accesses: tried.length, opened };
    } finally {
      await held.close();
    }
  } finally {
    plugins.close();
  }
};
