// SPDX-License-Identifier: MIT

import { styleText } from 'node:util';
import { formatBdf, hex } from '../../core/bdf.ts';
import type { Config, LoadedConfig } from '../../core/config/index.ts';
import { defaultConfig } from '../../core/config/index.ts';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import { silent } from '../../core/log.ts';
import type { PciListing } from '../../core/platform/index.ts';
import type { CommandContext } from '../../core/plugin/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import { loadPlugins, startLoaded, withSection } from '../start.ts';
import { className } from './pci-names.ts';

type Verdict = 'ok' | 'missing' | 'warning';

/** One thing that was looked at. */
interface Check {
  readonly section: string;
  readonly what: string;
  readonly verdict: Verdict;
  readonly detail: string;
  /** What to do about it. */
  readonly next?: string;
}

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

const checkPlugins = async (loaded: LoadedConfig): Promise<{ checks: Check[]; plugins: PluginHost | undefined }> => {
  const section = 'configuration';
  try {
    const plugins = await loadPlugins(loaded, silent);
    const count = (kind: string) => plugins.loaded.filter((one) => one.kind === kind).length;
    const detail = `${count('plugin')} plugins and ${count('quirk')} quirks loaded`;
    return { checks: [{ section, what: 'plugins', verdict: 'ok', detail }], plugins };
  } catch (error) {
    return { checks: [failed(section, 'plugins', 'missing', error)], plugins: undefined };
  }
};

/** Brings the embedded platform up, with a guest that has a sample device. */
const checkEmbedded = async (): Promise<Check> => {
  const section = 'platform embedded';
  try {
    const [{ createEmbeddedPlatform, sample }, { bootGuest, seizeAll }] = await Promise.all([
      import('../index.ts'),
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

const checkXen = async (plugins: PluginHost | undefined, wanted: 'required' | 'optional'): Promise<Check[]> => {
  const { diagnoseXen } = await import('../platforms/xen/index.ts');
  const natives = plugins?.registries.natives;
  const loaders = (natives?.names ?? []).map((name) => ({ name, create: async () => (natives?.get(name) ?? none)() }));
  const findings = await diagnoseXen({ loaders });
  return findings.map((finding) => ({
    section: 'platform xen',
    what: finding.what,
    verdict: finding.ok ? 'ok' : wanted === 'required' ? 'missing' : 'warning',
    detail: finding.detail,
    ...(finding.next === undefined ? {} : { next: finding.next }),
  }));
};

const none = async (): Promise<never> => {
  throw new Error('no loader');
};

const describeDevice = (device: PciListing): string =>
  `${className(device.class)} ${hex(device.vendor, 4)}:${hex(device.device, 4)}, ${
    device.seizable ? 'can be seized' : device.holder === 'free' ? 'no driver has it' : `held by ${device.holder}`
  }`;

/** The host's driver would be cut off together with the guest, so the guest gets no line interrupt. */
const describeSharing = (
  device: string,
  { line, users }: { readonly line: number; readonly users: readonly string[] },
): { readonly detail: string; readonly next: string } => ({
  detail: `${device}; interrupts a guest by MSI or MSI-X only: line ${line} is also used by ${users.join(', ')}`,
  next: 'For a device without MSI: move it to a slot with a line of its own, or set sharedLines: "allow" in the rc file.',
});

/** Functions of the host, as the drop-in mode sees them; only listed. */
export const checkDevices = async (sharedLines: Config['sharedLines'], sysfs = '/sys'): Promise<Check[]> => {
  const section = 'devices';
  try {
    const { listFunctions, sharedLine } = await import('../platforms/xen/index.ts');
    const listings = await listFunctions(sysfs);
    if (listings.length === 0) {
      return [{ section, what: 'PCI functions', verdict: 'warning', detail: 'this host has none' }];
    }
    const checks = listings.map(async (device): Promise<Check> => {
      const what = formatBdf(device.bdf);
      const detail = describeDevice(device);
      try {
        const shared = device.seizable && sharedLines === 'refuse' ? await sharedLine(device.bdf, sysfs) : undefined;
        if (shared === undefined) return { section, what, verdict: 'ok', detail };
        return { section, what, verdict: 'warning', ...describeSharing(detail, shared) };
      } catch (error) {
        return failed(section, what, 'warning', error);
      }
    });
    return await Promise.all(checks);
  } catch (error) {
    return [failed(section, 'PCI functions', 'warning', error)];
  }
};

const marks: Readonly<Record<Verdict, { readonly text: string; readonly colour: 'green' | 'red' | 'yellow' }>> = {
  ok: { text: 'ok     ', colour: 'green' },
  missing: { text: 'missing', colour: 'red' },
  warning: { text: 'warning', colour: 'yellow' },
};

const print = (context: CommandContext, checks: readonly Check[]): void => {
  let section = '';
  for (const check of checks) {
    if (check.section !== section) {
      context.print(section === '' ? check.section : `\n${check.section}`);
      section = check.section;
    }
    const { text, colour } = marks[check.verdict];
    context.print(`  ${process.stdout.isTTY ? styleText(colour, text) : text}  ${check.what}: ${check.detail}`);
    if (check.verdict !== 'ok' && check.next !== undefined) context.print(`           → ${check.next}`);
  }
};

/** @returns 0 when the platform that was asked for (embedded, if none) is usable, else 1. */
export const runDoctor = async (context: CommandContext): Promise<number> => {
  const wanted = context.options.platform === 'xen' ? 'xen' : 'embedded';
  const config = await checkConfig(context);
  const loaded: LoadedConfig = config.loaded ?? { config: defaultConfig(), directory: process.cwd() };
  const fromRc = await checkPlugins(loaded);
  // A plugin that is broken says nothing about the platforms.
  const plugins = fromRc.plugins ?? (await loadPlugins({ ...loaded, config: defaultConfig() }, silent));
  const checks: Check[] = [
    ...config.checks,
    ...fromRc.checks,
    await checkEmbedded(),
    ...(await checkXen(plugins, wanted === 'xen' ? 'required' : 'optional')),
    ...(await checkDevices(loaded.config.sharedLines)),
  ];
  plugins.close();
  const usable = !checks.some((check) => check.section === `platform ${wanted}` && check.verdict === 'missing');
  if (context.options.json === true) {
    context.print(JSON.stringify({ platform: wanted, usable, checks }, undefined, 2));
  } else {
    print(context, checks);
    context.print(`\nplatform ${wanted} ${usable ? 'is usable' : 'is not usable: see what is missing above'}`);
  }
  return usable ? 0 : 1;
};
