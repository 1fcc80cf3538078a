// SPDX-License-Identifier: MIT

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { runConfig } from '../../../plugins/commands/config-run.ts';
import { configure } from '../../../plugins/commands/setup.ts';
import { offerReloading, Reloader } from '../../../plugins/program/reload.ts';
import { startLoaded } from '../../../plugins/program/start.ts';
import { commandContext } from '../../kit/command-context.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-config-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const rc = (text: string, name = 'pciback.config.yaml'): string => {
  const file = join(home, name);
  writeFileSync(file, text);
  return file;
};

const run = async (options: Readonly<Record<string, string | boolean>>): Promise<string[]> => {
  const { context, printed, close } = commandContext(options);
  expect(await runConfig(context)).toBe(0);
  await close();
  return printed;
};

/** Key → where it comes from, and its value. */
const rowsOf = (lines: readonly string[]): Map<string, readonly [string, string]> =>
  new Map(
    lines
      .slice(2)
      .map((line) => line.split(/ {2,}/))
      .map(([key = '', from = '', value = '']) => [key, [from, value]]),
  );

const text = `
fields: kernel
hide: ["0000:03:00.0", { vendor: "8086" }]
onReset: { failed: allow }
deadlines: { reset: 5 }
metrics: { port: 9999 }
guests:
  web: { slots: passthrough }
`;

describe('pciback config', () => {
  it('says what is in force, and where each value comes from, on 80 columns', async () => {
    const file = rc(text);
    const lines = await run({
      config: file,
      effective: true,
      platform: 'xen',
      logLevel: 'warn',
      control: join(home, 'c'),
    });
    expect(lines[0]).toBe(`pciback serve would have, rc file: ${file}`);
    const rows = rowsOf(lines);
    expect(rows.get('platform')).toEqual(['command line', 'xen']);
    expect(rows.get('log.level')).toEqual(['command line', 'warn']);
    expect(rows.get('control')).toEqual(['command line', join(home, 'c')]);
    expect(rows.get('fields')).toEqual(['rc file', 'kernel']);
    expect(rows.get('hide')).toEqual(['rc file', '[ "0000:03:00.0", { "vendor": "8086" } ]']);
    expect(rows.get('onReset.failed')).toEqual(['rc file', 'allow']);
    expect(rows.get('onReset.unsupported')).toEqual(['default', 'allow']);
    expect(rows.get('deadlines.reset')).toEqual(['rc file', '5']);
    expect(rows.get('deadlines.resetDevice')).toEqual(['default', '70']);
    expect(rows.get('native')).toEqual(['default', 'not set']);
    expect(rows.get('guests')).toEqual(['rc file', '{ "web": { "slots": "passthrough" } }']);
    expect(rows.get('metrics.port')).toEqual(['rc file', '9999']);
    expect(rows.get('metrics.address')).toEqual(['default', '127.0.0.1']);
    const isPath = (line: string) => line.includes(home);
    expect(lines.filter((line) => line.length > 80 && !isPath(line))).toEqual([]);
  });

  it('leaves defaults out without --effective', async () => {
    const rows = rowsOf(await run({ config: rc(text), platform: 'xen' }));
    expect([...rows.keys()].sort()).toEqual(
      ['deadlines.reset', 'fields', 'guests', 'hide', 'metrics.port', 'onReset.failed', 'platform'].sort(),
    );
    expect((await run({ config: rc('fields: full\n') })).slice(2)).toEqual(['fields  rc file  full']);
    expect((await run({ config: rc('{}', 'empty.json') })).slice(1)).toEqual([
      'every key has its default; --effective shows them',
    ]);
  });

  it('is one JSON document with --json, and every key of the reference is in it', async () => {
    const { source, values } = JSON.parse((await run({ config: rc(text), effective: true, json: true })).join('\n'));
    expect(source).toBe('rc file');
    const keys: string[] = values.map(({ key }: { key: string }) => key);
    const page = readFileSync(resolve(import.meta.dirname, '../../../docs/reference/configuration.md'), 'utf8');
    const documented = [...page.matchAll(/^\| `([^`<[]+)` \|/gm)].map(([, key = '']) => key);
    const isThere = (key: string) =>
      keys.some((one) => one === key || one.startsWith(`${key}.`) || key.startsWith(`${one}.`));
    expect(documented.length).toBeGreaterThan(40);
    expect(documented.filter((key) => !isThere(key))).toEqual([]);
  });

  it('refuses what serve refuses', async () => {
    await expect(run({ config: rc('metrics: { prt: 1 }\n') })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('of the running pciback it is what that has, also after a reload', async () => {
    const control = join(home, 'control.sock');
    const file = rc('sharedLines: allow\nlog: { level: error }\n', 'pciback.config.yaml');
    const read = () => configure({ config: file, control });
    const loaded = await read();
    let reloader: Reloader | undefined;
    const running = await startLoaded(loaded, { plugins: [offerReloading(() => reloader)] });
    const level: string[] = [];
    const inForce = { plugins: running.plugins, inForce: running.config };
    reloader = new Reloader({ ...inForce, loaded, read, setLevel: (next) => level.push(next) });
    try {
      const lines = await run({ control });
      expect(lines[0]).toBe(`the running pciback, rc file: ${file}`);
      const rows = rowsOf(lines);
      expect([...rows.keys()].sort()).toEqual(['control', 'log.level', 'sharedLines']);
      expect(rows.get('control')).toEqual(['command line', control]);
      rc('sharedLines: allow\nlog: { level: warn }\npermissive: ["0000:01:00.0"]\n');
      await reloader.reload();
      expect(rowsOf(await run({ control })).get('log.level')).toEqual(['rc file', 'warn']);
      expect(rowsOf(await run({ control })).get('permissive')).toEqual(['rc file', '[ "0000:01:00.0" ]']);
    } finally {
      await running.stop();
    }
  });
});

describe('the JSON schema of rc files', () => {
  const schema = async () => JSON.parse((await run({ config: rc('{}', 'none.json'), schema: true })).join('\n'));

  it('has the keys of the core and the sections of plugins, and takes $schema', async () => {
    const { properties, additionalProperties } = await schema();
    expect(Object.keys(properties)).toEqual(
      expect.arrayContaining(['$schema', 'platform', 'hide', 'guests', 'metrics', 'control', 'embedded', 'xen']),
    );
    expect(properties.metrics.properties.port).toMatchObject({ type: 'integer', maximum: 65_535 });
    expect(additionalProperties).toBe(false);
  });

  it('accepts what the rc file may say, and refuses what it may not', async () => {
    const back = z.fromJSONSchema(await schema());
    const says = (data: object) => back.safeParse(data).success;
    expect(says({ $schema: './x.json', fields: 'kernel', hide: ['0000:03:00.0', { vendor: '8086' }] })).toBe(true);
    expect(says({ metrics: { port: 1 }, control: false, onReset: { failed: 'allow' } })).toBe(true);
    expect(says({ fields: 'fulll' })).toBe(false);
    expect(says({ metrics: { prt: 1 } })).toBe(false);
    expect(says({ hide: [{ vendor: '808' }] })).toBe(false);
  });

  it('an rc file may name it', async () => {
    const lines = await run({ config: rc('{ "$schema": "./pciback.schema.json", "fields": "kernel" }', 'a.json') });
    expect(lines.slice(2)).toEqual(['fields  rc file  kernel']);
  });
});
