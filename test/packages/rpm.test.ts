// SPDX-License-Identifier: MIT

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { build, dist } from '../plugins/commands/built.ts';

vi.setConfig({ testTimeout: 300_000 });

const root = resolve(import.meta.dirname, '../..');
const isThere = spawnSync('rpmbuild', ['--version']).status === 0;
const missing = isThere ? '' : ' (left out: rpmbuild is missing, it is in the package rpm)';
const home = realpathSync(mkdtempSync(join(tmpdir(), 'pciback-rpm-test-')));
afterAll(() => rmSync(home, { recursive: true }));

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };
const rpm = (...words: readonly string[]): string => execFileSync('rpm', words, { encoding: 'utf8' });
const make = async (out: string): Promise<string> => {
  const { makeRpm } = (await import(/* @vite-ignore */ join(root, 'test/tools/package/rpm.mjs'))) as {
    makeRpm(terms: Readonly<Record<string, unknown>>): Promise<string>;
  };
  return makeRpm({
    project: root,
    dist,
    modules: realpathSync(join(root, 'node_modules')),
    out: join(home, out),
    date: new Date('2026-01-02T03:04:05Z'),
    compression: 'w0.ufdio',
  });
};

describe.skipIf(!isThere)(`the package for distributions with rpm${missing}`, () => {
  let file: string;
  beforeAll(async () => {
    build();
    file = await make('one');
  }, 600_000);

  it('has these files beside the program and the pages, all of root', () => {
    const paths = rpm('-qpl', file).trim().split('\n');
    expect(paths.filter((path) => !/\/(dist|node_modules|docs)(\/|$)/.test(path))).toEqual([
      '/etc/pciback',
      '/etc/pciback/pciback.config.yaml',
      '/usr/bin/pciback',
      '/usr/lib/pciback',
      '/usr/lib/pciback/package.json',
      '/usr/lib/systemd/system/pciback.service',
      '/usr/share/bash-completion/completions/pciback',
      '/usr/share/doc/pciback',
      '/usr/share/doc/pciback/README.md',
      '/usr/share/doc/pciback/changelog.gz',
      '/usr/share/doc/pciback/copyright',
      '/usr/share/fish/vendor_completions.d/pciback.fish',
      '/usr/share/man/man1/pciback.1.gz',
      '/usr/share/man/man5/pciback.config.5.gz',
      '/usr/share/zsh/site-functions/_pciback',
    ]);
    expect(paths.filter((path) => path.endsWith('.node'))).toHaveLength(1);
    expect(rpm('-qpc', file)).toBe('/etc/pciback/pciback.config.yaml\n');
    expect(new Set(rpm('-qp', '--qf', '[%{FILEUSERNAME}:%{FILEGROUPNAME}\n]', file).trim().split('\n'))).toEqual(
      new Set(['root:root']),
    );
  });

  it('says what it needs', () => {
    expect(rpm('-qp', '--qf', '%{NAME} %{VERSION} %{LICENSE}', file)).toBe(`pciback ${version} MIT`);
    expect(rpm('-qp', '--requires', file)).toMatch(/^nodejs >= \d+\.\d+$/m);
  });

  it('has scripts that a plain shell reads', () => {
    for (const name of ['POSTIN', 'PREUN', 'POSTUN']) {
      const script = join(home, name);
      writeFileSync(script, rpm('-qp', '--qf', `%{${name}}`, file));
      expect(readFileSync(script, 'utf8')).toContain('systemctl');
      expect(spawnSync('sh', ['-n', script]).status).toBe(0);
    }
  });

  it('is installed into an empty folder, runs there, and leaves nothing behind', () => {
    const installed = join(home, 'installed');
    mkdirSync(installed);
    const words = ['--root', installed, '--nodeps', '--noscripts'];
    rpm(...words, '-i', file);
    const command = join(installed, 'usr/lib/pciback/dist/plugins/commands/launch.cjs');
    expect(execFileSync(process.execPath, [command, '--version'], { encoding: 'utf8' })).toContain(version);
    rpm(...words, '-e', 'pciback');
    const left = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    expect(left.filter((path) => path.includes('pciback'))).toEqual([]);
  });

  it('is the same when it is made again', { timeout: 600_000 }, async () => {
    const sum = (one: string) => createHash('sha256').update(readFileSync(one)).digest('hex');
    expect(sum(await make('again'))).toBe(sum(file));
  });
});
