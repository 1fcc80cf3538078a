// SPDX-License-Identifier: MIT

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describeError } from '../../core/errors/index.ts';
import { type Crash, onCrash } from '../crash.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import type { Finding } from '../kinds/platform.ts';
import type { CrashOptions } from './crash-section.ts';

/** Version of the form of reports. */
const FORM = 1;
/** `2026-11-27T16-30-00.123Z-4711.json`: time and process. */
const NAME = /^\d{4}-\d\d-\d\dT[\d-]+\.\d{3}Z-\d+\.json$/;
/** Reports that `pciback doctor` shows. */
const SHOWN = 3;

/** A report as it stands in its file. */
export interface CrashReport extends Crash {
  readonly form: typeof FORM;
  readonly time: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly versions: Readonly<Record<string, string>>;
  /** What was chosen; no options, paths of keys or environment. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly [more: string]: unknown;
}

const names = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder)
      .filter((name) => NAME.test(name))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
};

/** Each fact by itself: at such an end one that cannot be had must not cost the others. */
const factsOf = (facts: Readonly<Record<string, () => unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(facts).map(([name, ask]) => {
      try {
        return [name, ask()];
      } catch (error) {
        return [name, `unknown: ${describeError(error)}`];
      }
    }),
  );

const descriptors = (): number => readdirSync('/proc/self/fd').length;

const reportOf = (crash: Crash, { engine, parts }: PartContext): CrashReport => ({
  form: FORM,
  time: new Date().toISOString(),
  pid: process.pid,
  uptimeSeconds: Math.round(process.uptime()),
  ...crash,
  versions: { node: process.version, v8: process.versions.v8 },
  config: {},
  ...factsOf({
    config: () => ({
      platform: engine.platform.name,
      plugins: engine.plugins.loaded
        .filter(({ origin }) => origin !== 'bundled')
        .map(({ name, version, origin }) => ({ name, version, origin })),
      bundled: engine.plugins.loaded.filter(({ origin }) => origin === 'bundled').length,
    }),
    parts: () => parts(),
    guests: () => engine.guests().map(({ domain, name, state }) => ({ domain, name, state })),
    ledger: () => engine.ledger(),
    held: () => engine.platform.held?.(),
    descriptors,
    memory: () => process.memoryUsage(),
    handles: () => process.getActiveResourcesInfo(),
  }),
});

/** Writes a report for its user alone, in one step, and lets the oldest go. @returns its file */
export const writeReport = (report: CrashReport, folder: string, keep: number): string => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${report.time.replaceAll(':', '-')}-${report.pid}.json`);
  const fresh = `${file}.new`;
  writeFileSync(fresh, `${JSON.stringify(report, undefined, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(fresh, file);
  for (const name of names(folder).slice(0, -keep)) rmSync(join(folder, name));
  return file;
};

/** From now on each crash leaves a report. */
export const startReporting = (context: PartContext<CrashOptions>): RunningPart => {
  const { options, directory, log } = context;
  const folder = resolve(directory, options.directory);
  const stop = onCrash((crash) => {
    try {
      crash.report = writeReport(reportOf(crash, context), folder, options.keep);
    } catch (error) {
      log.error({ folder, error: describeError(error) }, 'no crash report');
    }
  });
  return { health: () => `into ${folder}, ${names(folder).length} there`, stop };
};

const line = (text: string): string => text.split('\n', 1)[0] ?? '';

/** The latest reports, for `pciback doctor`. */
export const showReports = (options: CrashOptions, directory: string): readonly Finding[] => {
  const folder = resolve(directory, options.directory);
  const section = 'crash reports';
  const all = names(folder);
  if (all.length === 0) return [{ section, what: folder, verdict: 'ok', detail: 'none' }];
  return all.slice(-SHOWN).map((name) => {
    const file = join(folder, name);
    try {
      const { time, kind, why, plugin, log = [] } = JSON.parse(readFileSync(file, 'utf8')) as CrashReport;
      const whose = plugin === undefined ? '' : ` (plugin ${plugin})`;
      const detail = `${kind}${whose}: ${line(why)}; ${log.length} log lines`;
      return {
        section,
        what: time,
        verdict: 'warning',
        detail,
        next: `Read ${file}; remove it when it is dealt with.`,
      };
    } catch (error) {
      return { section, what: file, verdict: 'warning', detail: `unreadable: ${describeError(error)}` };
    }
  });
};
