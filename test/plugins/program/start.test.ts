// SPDX-License-Identifier: MIT

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { definePlugin } from '../../../core/plugin/index.ts';
import { doors } from '../../../plugins/program/doors.ts';
import {
  bdf,
  createEmbeddedPlatform,
  defineConfig,
  formatBdf,
  isPcibackError,
  type RunningPciback,
  sample,
  startPciback,
} from '../../../plugins/program/index.ts';
import { importFile } from '../../../plugins/program/module.ts';
import { commandContext } from '../../kit/command-context.ts';
import { startEmbeddedHost } from '../../kit/embedded-host.ts';

const docs = resolve(import.meta.dirname, '../../../docs/researchers');
const nic = sample('e1000e');

let home: string;
let running: RunningPciback | undefined;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-start-'));
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  rmSync(home, { recursive: true });
});

/** What is on a page, without the line about the licence. */
const shown = (file: string): string => readFileSync(file, 'utf8').replace(/^\/\/ SPDX.*\n\n/, '');

describe('pciback inside of another program', () => {
  it.each([
    ['strict', 'msix'],
    ['intx-only', 'line'],
  ])('the example of the page, under policy %s', async (policy, interrupts) => {
    const file = join(docs, 'examples/embed.ts');
    expect(readFileSync(join(docs, 'plugins.md'), 'utf8')).toContain(`\`\`\`ts\n${shown(file)}\`\`\``);
    const { interruptsUnder } = (await importFile(file, doors)) as {
      interruptsUnder(policy: string): Promise<string | undefined>;
    };
    expect(await interruptsUnder(policy)).toBe(interrupts);
  });

  it('opens the platform that the configuration names, with its section; paths count from the directory', async () => {
    const row = (at: number) =>
      `${at.toString(16).padStart(2, '0')}: ${[...nic.config.subarray(at, at + 16)]
        .map((byte) => byte.toString(16).padStart(2, '0'))
        .join(' ')}`;
    const rows = Array.from({ length: 16 }, (_, index) => row(index * 16));
    writeFileSync(join(home, 'nic.txt'), `07:00.0 Ethernet controller: a card\n${rows.join('\n')}\n`);
    const config = defineConfig({ embedded: { devices: ['nic.txt'] }, control: 'run/control.sock' });
    running = await startPciback({ config, directory: home });
    expect((await running.platform.pci.list()).map((one) => formatBdf(one.bdf))).toEqual(['0000:07:00.0']);
    expect(existsSync(join(home, 'run/control.sock'))).toBe(true);
    await running.stop();
    expect(existsSync(join(home, 'run/control.sock'))).toBe(false);
  });

  it.each([
    [{ embeded: {} }, 'CONFIG_INVALID', /embeded: .*"embedded"/],
    [{ embedded: { device: [] } }, 'CONFIG_INVALID', /embedded\.device: .*"devices"/],
    [{ control: 3 }, 'CONFIG_INVALID', /control: expected the path of a socket, or false/],
    [{ platform: 'moon', control: false }, 'CHOICE_UNKNOWN', /"moon"/],
    [{ hide: ['0000:7f:00.0'], control: false }, 'DEVICE_NOT_FOUND', /7f:00\.0/],
  ])('refuses %j', async (config, code, message) => {
    const refused = startPciback({ config: { embedded: { devices: [] }, ...config } as never });
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toSatisfy((error) => isPcibackError(error) && error.code === code);
  });

  it('when a required part does not start: what was begun is given back', async () => {
    const steps: string[] = [];
    const guard = definePlugin({
      name: 'test/guard',
      api: '^1.0',
      apply: (host) => {
        host.parts.add('first', { about: 'a part', start: () => ({ stop: () => void steps.push('first stopped') }) });
        host.parts.add('guard', {
          about: 'a part',
          needs: ['first', 'guests'],
          required: true,
          start: () => Promise.reject(new Error('no guard today')),
        });
      },
    });
    const platform = createEmbeddedPlatform({ devices: [nic], duties: 'enforced' });
    const config = { control: false, hide: ['01:00.0'] } as const;
    await expect(
      startPciback({ config: { ...config, hide: [...config.hide] }, platform, plugins: [guard] }),
    ).rejects.toThrow(/part "guard" of plugin test\/guard failed to start: no guard today/);
    expect(steps).toEqual(['first stopped']);
    expect(platform.hypervisor.ledger()).toMatchObject({ illegal: [] });
    await platform.close();
  });
});

describe('plugins and quirks of the configuration, in the test kit', () => {
  it('are loaded as an rc file’s are', async () => {
    const quirk = {
      name: 'acme/nic',
      source: 'a test',
      match: [{ vendor: '8086', device: '10d3' }],
      fields: [{ offset: '0x60', width: 16, name: 'a register', writable: '0x00ff' }],
    };
    writeFileSync(join(home, 'nic.json'), JSON.stringify(quirk));
    writeFileSync(
      join(home, 'mine.mjs'),
      `export default { kind: 'plugin', name: 'mine', version: '1.0.0', api: '^1.0', apply() {} };`,
    );
    const host = await startEmbeddedHost({
      devices: [nic],
      config: { plugins: ['./mine.mjs'], quirks: ['nic.json'] },
      directory: home,
    });
    try {
      expect(host.plugins.loaded.map(({ name }) => name)).toEqual(expect.arrayContaining(['mine', 'acme/nic']));
      const guest = await host.guest([bdf(0, 1, 0)]);
      await guest.reached(4);
      const table = host.pciback.stub.devices[0]?.assignment?.rules.contributions ?? [];
      expect(table.map(({ owner }) => owner)).toContain('acme/nic');
    } finally {
      await host.close();
    }
  });
});

describe('the example of the page about parts', () => {
  it('counts, is asked over the socket by its own command, and has a section', async () => {
    const file = join(docs, 'examples/tally.ts');
    expect(readFileSync(join(docs, 'parts.md'), 'utf8')).toContain(`\`\`\`ts\n${shown(file)}\`\`\``);
    const control = join(home, 'control.sock');
    const config = { plugins: [file], control, tally: { ignore: ['fields/header'] }, fields: 'kernel' } as const;
    const rc = { ...config, plugins: [...config.plugins] };
    writeFileSync(join(home, 'rc.json'), JSON.stringify(rc));
    const host = await startEmbeddedHost({ devices: [nic], config: rc });
    try {
      const guest = await host.guest([nic.bdf]);
      await guest.reached(4);
      await new Promise((resolve) => setImmediate(resolve));
      const { context, printed, close } = commandContext({ config: join(home, 'rc.json') });
      const command = (await context.plugins()).registries.commands.get('tally');
      expect(await command.run(context)).toBe(0);
      await close();
      expect(printed.map((line) => line.replace(/^\d+/, 'n')).sort()).toEqual([
        'n  fields/msix: msi-x / message control',
        'n  policy: drop',
      ]);
      const report = host.parts.reports().find(({ name }) => name === 'tally');
      expect(report).toMatchObject({ state: 'running', counters: { owners: 2 } });
    } finally {
      await host.close();
    }
  });

  it.each([
    [{ tally: { ignored: [] } }, 'ignore'],
    [{ tallly: {} }, 'tally'],
  ])('%j is refused', async (section, nearest) => {
    const config = { plugins: [join(docs, 'examples/tally.ts')], ...section };
    const refused = startEmbeddedHost({ devices: [nic], config });
    await expect(refused).rejects.toMatchObject({ code: 'CONFIG_INVALID', facts: { nearest } });
  });
});
