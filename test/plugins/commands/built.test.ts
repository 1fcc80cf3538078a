// SPDX-License-Identifier: MIT

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { build, compiled, dist, home as packageFolder, run, start } from './built.ts';

vi.setConfig({ testTimeout: 60_000 });

let home = '';
let count = 0;
/** A directory of its own, with an rc file of that name. */
const place = (name = '.empty', text = ''): string => {
  count += 1;
  const directory = mkdtempSync(join(home, `${count}-`));
  writeFileSync(join(directory, name), text);
  return directory;
};

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-built-'));
  build();
}, 180_000);
afterAll(() => rmSync(home, { recursive: true }));

describe('the built package', () => {
  it.each([
    ['compiled', compiled],
    ['bundled', dist],
  ])('imports no TypeScript file when it is %s: the compiler leaves some imports as they are', (_what, folder) => {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'));
    expect(files.length).toBeGreaterThan(50);
    const wrong = files.filter((file) =>
      /\b(import|from)\s*\(?\s*['"]\.[^'"]*\.ts['"]/.test(readFileSync(join(folder, file), 'utf8')),
    );
    expect(wrong).toEqual([]);
  });

  it('runs on the chunks of the bundle, and imports no file for each bundled plugin', () => {
    const chunk = (name: string): string => readFileSync(join(dist, 'chunks', `${name}.js`), 'utf8');
    for (const file of ['plugins/commands/main.js', 'core/bdf.js', 'plugins/fields/header.js']) {
      expect(readFileSync(join(dist, file), 'utf8')).toContain('/chunks/');
    }
    expect(chunk('plugins')).not.toMatch(/import\(`[^`]*\/fields\/header\.js`\)/);
    // The answering thread has it too, and needs neither the schemas of the rc file nor hooks.
    expect(chunk('ground')).not.toContain('/packages.js');
  });

  it('carries the licences of the packages in it', () => {
    const licences = readFileSync(join(dist, 'chunks/LICENSES.txt'), 'utf8');
    for (const name of ['commander', 'cosmiconfig', 'js-yaml', 'semver', 'tapable', 'zod']) {
      expect(licences).toMatch(new RegExp(`^${name} \\d`, 'm'));
    }
  });
});

describe.concurrent('the bundle', () => {
  it('shares its modules with a plugin that imports the installed package', async () => {
    const directory = place('pciback.config.json', '{ "plugins": ["./own.mjs"], "control": false }');
    mkdirSync(join(directory, 'node_modules'));
    symlinkSync(packageFolder, join(directory, 'node_modules/pciback'));
    writeFileSync(
      join(directory, 'own.mjs'),
      `import { isPcibackError, PcibackError } from 'pciback';
import { definePlugin } from 'pciback/plugin';
import { defineQuirk, register } from 'pciback/quirk';
const quirk = defineQuirk({ name: 'own/one', source: 'a test', match: [{ vendor: 1, device: 2 }], fields: [register(0x80, 8, 'r').writable()] });
export default definePlugin({
  name: 'own',
  api: '^1.0',
  apply: (host) => {
    host.quirks.add(quirk);
    try {
      host.quirks.add(quirk);
    } catch (error) {
      throw new Error(\`shared: \${error instanceof PcibackError && isPcibackError(error)}\`);
    }
  },
});
`,
    );
    const { err } = await run(['serve'], directory);
    expect(err).toContain('shared: true');
  });

  it('shows its help', async () => {
    const { status, out, err } = await run(['--help'], place());
    expect(out).toMatch(/serve.*doctor.*status/s);
    expect({ status, err }).toEqual({ status: 0, err: '' });
  });

  it('has a doctor without a running pciback', async () => {
    const { status, out, err } = await run(['doctor'], place());
    expect(out).toMatch(/platform embedded is usable\n$/);
    expect({ status, err }).toEqual({ status: 0, err: '' });
  });

  it('has no status without a running pciback, and says what to do', async () => {
    const { status, out, err } = await run(['status', '--control', 'no.sock'], place());
    expect(err).toMatch(
      /^error CONTROL_UNREACHABLE: no pciback answers at \S+no\.sock: .*\n {2}next: Start one with `pciback serve`/,
    );
    expect({ status, out }).toEqual({ status: 1, out: '' });
  });

  it.each(['pciback.config.yaml', 'pciback.config.yml', '.pcibackrc'])('serves with rc file %s', async (name) => {
    const serving = start(
      ['serve'],
      place(name, 'control: control.sock\nembedded: { devices: [samples] }\nlog:\n  level: info\n'),
    );
    await serving.printed('included guest is up');
    serving.signal('SIGTERM');
    const { status, err } = await serving.end;
    expect({ status, err }).toEqual({ status: 0, err: '' });
  });

  it.each([
    ['pciback.config.json', '{"platform": "embedded"', /line 1 column 24: expected "," or "}", found the end/],
    ['pciback.config.json', '{', /line 1 column 2: expected a key in double quotes, found the end/],
    ['pciback.config.json', '{ "slots": ', /line 1 column 12: expected a value, found the end/],
    ['pciback.config.yaml', 'slots: [x', /unexpected end of the stream within a flow collection/],
    ['.pcibackrc', 'a: b: c', /bad indentation of a mapping entry/],
    ['pciback.config.mjs', 'throw new Error("");', /it gives no reason/],
  ])('says why it cannot read %s with %j', async (name, text, why) => {
    const { status, out, err } = await run(['serve'], place(name, text));
    expect(err).toMatch(/^error CONFIG_UNREADABLE: \S+ cannot be read: .+\n {2}next: .{10,}\n$/);
    expect(err).toMatch(why);
    expect({ status, out }).toEqual({ status: 1, out: '' });
  });
});
