// SPDX-License-Identifier: MIT

import { styleText } from 'node:util';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import { silent } from '../../core/log.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import { folded, WIDTH } from '../columns.ts';
import { problem } from '../errors.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { Config, LoadedConfig } from '../kinds/config.ts';
import type { Finding } from '../kinds/platform.ts';
import { defaultConfig } from '../program/defaults.ts';
import { judgeStart } from '../program/judge.ts';
import { loadPlugins, startLoaded, withSection } from '../program/start.ts';
import { readSection, sectionsOf } from '../read-section.ts';

type Check = Finding & { readonly section: string };
type Verdict = Finding['verdict'];

const failed = (section: string, what: string, verdict: Verdict, error: unknown): Check => ({
  section,
  what,
  verdict,
  detail: describeError(error),
  ...(isPcibackError(error) ? { next: error.solve } : {}),
});

const checkConfig = async (context: CommandContext): Promise<{ checks: Check[]; loaded: LoadedConfig | undefined }> => {
  const section = 'configuration';
  try {
    const loaded = await context.config();
    const detail = loaded.file === undefined ? 'none found, the defaults are in force' : `${loaded.file}: valid`;
    return { checks: [{ section, what: 'rc file', verdict: 'ok', detail }], loaded };
  } catch (error) {
    return { checks: [failed(section, 'rc file', 'missing', error)], loaded: undefined };
  }
};

const counts = (plugins: PluginHost): string => {
  const count = (kind: string) => plugins.loaded.filter((one) => one.kind === kind).length;
  return `${count('plugin')} plugins and ${count('quirk')} quirks loaded`;
};

const checkPlugins = async (loaded: LoadedConfig): Promise<{ checks: Check[]; plugins: PluginHost | undefined }> => {
  const section = 'configuration';
  try {
    const plugins = await loadPlugins(loaded, silent);
    return { checks: [{ section, what: 'plugins', verdict: 'ok', detail: counts(plugins) }], plugins };
  } catch (error) {
    const what = isPcibackError(error, 'CONFIG_INVALID') ? 'rc file, what it says to plugins' : 'plugins';
    return { checks: [failed(section, what, 'missing', error)], plugins: undefined };
  }
};

/** What `serve` would come to with the same configuration; what it would refuse is refused here, in the same words. */
const checkStart = async (loaded: LoadedConfig): Promise<Check[]> => {
  const { platform } = loaded.config;
  const section = 'start';
  const what = `serve on platform ${platform}`;
  try {
    const { functions, unmatched, inUse, absent } = await judgeStart(loaded);
    return [
      { section, what, verdict: 'ok', detail: `would begin; the platform has ${functions} functions` },
      ...unmatched.map(
        ({ key, text }): Check => ({
          section,
          what: key,
          verdict: 'warning',
          detail: `${text} is meant for no function of platform ${platform}`,
          next: 'Correct it, or leave it out. `lspci -Dnn` lists the functions of a host with their addresses and ids.',
        }),
      ),
      ...inUse.map(({ bdf, uses }): Check => {
        const refusal = problem('DEVICE_HOST_USE', { bdf, uses });
        return { section, what: 'hide', verdict: 'warning', detail: refusal.message, next: refusal.solve };
      }),
      ...absent.map(
        (name): Check => ({
          section,
          what: `guests.${name}`,
          verdict: 'ok',
          detail: 'no guest of this name runs now',
        }),
      ),
    ];
  } catch (error) {
    return [failed(section, what, 'missing', error)];
  }
};

/** Brings the embedded platform up, with a guest that has a sample device. */
const checkEmbedded = async (): Promise<Check> => {
  const section = 'platform embedded';
  try {
    const [{ createEmbeddedPlatform, sample }, { bootGuest, seizeAll }] = await Promise.all([
      import('../program/index.ts'),
      import('./included-guest.ts'),
    ]);
    const platform = createEmbeddedPlatform({ devices: [sample('e1000e')] });
    const config = withSection(defaultConfig(), 'control', false);
    const running = await startLoaded({ config, directory: '/' }, { platform });
    const { devices } = await seizeAll(running.engine);
    const { report } = await bootGuest(platform, 'doctor', devices);
    const [device] = report.devices;
    await running.stop();
    const works = device?.driver?.interrupts === 'msix';
    return {
      section,
      what: 'included guest',
      verdict: works ? 'ok' : 'missing',
      detail: works ? 'a sample device was scanned, sized, switched on, with MSI-X' : 'the sample device did not work',
    };
  } catch (error) {
    return failed(section, 'included guest', 'missing', error);
  }
};

/** What the platforms say themselves. What one lacks that is not wanted is only a warning. */
const checkPlatforms = async ({ registries }: PluginHost, config: Config, wanted: string): Promise<Check[]> => {
  const { natives, platforms } = registries;
  const loaders = natives.owned.map(({ name, thing }) => ({ name, create: thing }));
  const checks = platforms.owned.map(async ({ name, thing }): Promise<Check[]> => {
    const section = `platform ${name}`;
    try {
      const findings = (await thing.diagnose?.({ loaders, config })) ?? [];
      return findings.map((finding) => ({
        section,
        ...finding,
        verdict: finding.verdict === 'missing' && name !== wanted ? 'warning' : finding.verdict,
      }));
    } catch (error) {
      return [failed(section, 'what it needs', name === wanted ? 'missing' : 'warning', error)];
    }
  });
  return (await Promise.all(checks)).flat();
};

/** What parts have left on the host. Each has its own heading, so nothing of it says that a platform is not usable. */
const checkParts = async ({ registries }: PluginHost, config: Config): Promise<Check[]> => {
  const { directory } = sectionsOf(config);
  const checks = registries.parts.owned.map(async ({ name, thing }): Promise<Check[]> => {
    const section = `part ${name}`;
    try {
      const options = thing.options && readSection(config, thing.section ?? name, thing.options);
      return ((await thing.diagnose?.({ options, directory })) ?? []).map((finding) => ({ section, ...finding }));
    } catch (error) {
      return [failed(section, 'what it has left', 'warning', error)];
    }
  });
  return (await Promise.all(checks)).flat();
};

const marks: Readonly<Record<Verdict, { readonly text: string; readonly colour: 'green' | 'red' | 'yellow' }>> = {
  ok: { text: 'ok     ', colour: 'green' },
  missing: { text: 'missing', colour: 'red' },
  warning: { text: 'warning', colour: 'yellow' },
};

/** A text below which its own further lines stand. @param before what stands before it, and its columns */
const printFolded = (context: CommandContext, before: string, indent: number, text: string): void => {
  const [first = '', ...more] = folded(text, WIDTH - indent);
  context.print(`${before}${first}`);
  for (const line of more) context.print(`${' '.repeat(indent)}${line}`);
};

const print = (context: CommandContext, checks: readonly Check[]): void => {
  let section = '';
  for (const check of checks) {
    if (check.section !== section) {
      context.print(section === '' ? check.section : `\n${check.section}`);
      section = check.section;
    }
    const { text, colour } = marks[check.verdict];
    const mark = process.stdout.isTTY ? styleText(colour, text) : text;
    printFolded(context, `  ${mark}  `, 11, `${check.what}: ${check.detail}`);
    if (check.verdict !== 'ok' && check.next !== undefined) printFolded(context, '           → ', 13, check.next);
  }
};

/** What cannot be read is said, and the defaults stand for it: the rest is looked at all the same. */
const stand = (): LoadedConfig => ({ config: defaultConfig(), directory: process.cwd() });

/**
 * @returns 0 when `serve` would begin with the same configuration, else 1
 * @throws PcibackError `CHOICE_UNKNOWN` for a platform that no plugin brings
 */
export const runDoctor = async (context: CommandContext): Promise<number> => {
  const config = await checkConfig(context);
  const loaded = config.loaded ?? stand();
  const asked = context.options.platform;
  const wanted = typeof asked === 'string' ? asked : loaded.config.platform;
  const fromRc = await checkPlugins(loaded);
  // A plugin that is broken says nothing about the platforms.
  const plugins = fromRc.plugins ?? (await loadPlugins(stand(), silent));
  if (fromRc.plugins !== undefined) plugins.registries.platforms.get(wanted);
  const start = config.loaded === undefined || fromRc.plugins === undefined ? [] : await checkStart(loaded);
  const checks: Check[] = [
    ...config.checks,
    ...fromRc.checks,
    ...start,
    await checkEmbedded(),
    ...(await checkPlatforms(plugins, loaded.config, wanted)),
    ...(await checkParts(plugins, loaded.config)),
  ];
  plugins.close();
  const usable = start.some(({ verdict }) => verdict === 'ok');
  if (context.options.json === true) {
    context.print(JSON.stringify({ platform: wanted, usable, checks }, undefined, 2));
  } else {
    print(context, checks);
    context.print(`\nplatform ${wanted} ${usable ? 'is usable' : 'is not usable: see what is missing above'}`);
  }
  return usable ? 0 : 1;
};
