// SPDX-License-Identifier: MIT

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { silent } from '../../core/log.ts';
import { defaultConfig } from '../../plugins/program/defaults.ts';
import { declaredSections } from '../../plugins/program/sections.ts';
import { loadPlugins } from '../../plugins/program/start.ts';
import { describeConfig } from '../kit/describe-config.ts';
import { build, dist, run, start, unfolded } from '../plugins/commands/built.ts';
import { rc } from '../plugins/commands/places.ts';

vi.setConfig({ testTimeout: 300_000 });

const has = (program: string, ...words: readonly string[]): boolean =>
  spawnSync(program, words, { encoding: 'utf8' }).status === 0;
const missing = has('dpkg-deb', '--version') ? '' : ' (left out: dpkg-deb is missing, it is in the package dpkg)';
const root = resolve(import.meta.dirname, '../..');
type Names = Readonly<Record<string, string>>;
const { version, engines, dependencies, devDependencies, optionalDependencies } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
) as {
  version: string;
  engines: { node: string };
  dependencies: Names;
  devDependencies: Names;
  optionalDependencies: Names;
};
const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch;

/** The tools of the build are plain JavaScript; this is the part of them that is used here. */
interface Packaging {
  makeDeb(release: string, terms: Readonly<Record<string, unknown>>): Promise<string>;
}
interface Program {
  readonly LOADED_LATE: readonly string[];
}
const load = (file: string): Promise<unknown> => import(/* @vite-ignore */ join(root, 'test/tools/package', file));

const home = realpathSync(mkdtempSync(join(tmpdir(), 'pciback-debian-')));
afterAll(() => rmSync(home, { recursive: true }));

const makeFor = async (release: string, out: string): Promise<string> => {
  const { makeDeb } = (await load('deb.mjs')) as Packaging;
  return makeDeb(release, {
    project: root,
    dist,
    modules: realpathSync(join(root, 'node_modules')),
    node: process.execPath,
    out: join(home, out),
    date: new Date('2026-01-02T03:04:05Z'),
    compression: 'none',
  });
};

interface Entry {
  readonly mode: string;
  readonly owner: string;
  readonly path: string;
}
/** What `dpkg-deb --contents` lists. */
const contentsOf = (file: string): readonly Entry[] =>
  execFileSync('dpkg-deb', ['--contents', file], { encoding: 'utf8' })
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [mode = '', owner = '', , , , path = ''] = line.split(/\s+/);
      return { mode, owner, path: path.replace(/^\./, '') };
    });
const fieldOf = (file: string, name: string): string =>
  execFileSync('dpkg-deb', ['--field', file, name], { encoding: 'utf8' }).trimEnd();

describe.skipIf(missing !== '')(`packages for Debian${missing}`, () => {
  const files: Record<string, string> = {};
  const roots: Record<string, string> = {};
  beforeAll(async () => {
    build();
    for (const release of ['12', '13']) {
      const file = await makeFor(release, release);
      files[release] = file;
      roots[release] = join(home, `root-${release}`);
      execFileSync('dpkg-deb', ['--raw-extract', file, roots[release]]);
    }
  }, 600_000);
  const fileOf = (release: string): string => files[release] ?? '';
  const inRoot = (release: string, path: string): string => join(roots[release] ?? '', path);
  const manual = (path: string): string => gunzipSync(readFileSync(inRoot('13', path))).toString();

  describe.each(['12', '13'])('for Debian %s', (release) => {
    it('have these files beside the program and the pages', () => {
      const paths = contentsOf(fileOf(release)).flatMap(({ path }) =>
        path.endsWith('/') || /^\/usr\/(lib\/pciback\/(dist|node_modules)|share\/doc\/pciback\/docs)\//.test(path)
          ? []
          : [path],
      );
      expect(paths.sort()).toEqual(
        [
          '/etc/pciback/pciback.config.yaml',
          '/usr/bin/pciback',
          ...(release === '12' ? ['/usr/lib/pciback/node'] : []),
          '/usr/lib/pciback/package.json',
          '/usr/lib/systemd/system/pciback.service',
          '/usr/share/bash-completion/completions/pciback',
          '/usr/share/doc/pciback/README.md',
          '/usr/share/doc/pciback/changelog.Debian.gz',
          '/usr/share/doc/pciback/changelog.gz',
          '/usr/share/doc/pciback/copyright',
          '/usr/share/fish/vendor_completions.d/pciback.fish',
          '/usr/share/man/man1/pciback.1.gz',
          '/usr/share/man/man5/pciback.config.5.gz',
          '/usr/share/zsh/vendor-completions/_pciback',
        ].sort(),
      );
    });

    it('have nothing for developers or other machines, one koffi, and root’s files only', () => {
      const contents = contentsOf(fileOf(release));
      const paths = contents.map(({ path }) => path);
      const unwanted =
        /\/(test|tests|vendor|musl[^/]*|node_modules\/(typescript|ffi-napi|@types))\/|\.(ts|cc|hh|map|o)$/;
      // What `pciback new` writes packages from has sources and tests.
      const ours = paths.filter((path) => path.startsWith('/usr/lib/') && !path.includes('/plugins/new/templates/'));
      expect(ours.filter((path) => unwanted.test(path))).toEqual([]);
      expect(paths.filter((path) => path.endsWith('.node'))).toHaveLength(1);
      expect(contents.filter(({ owner }) => owner !== 'root/root')).toEqual([]);
      expect([...new Set(contents.map(({ mode }) => mode))].sort()).toEqual(['-rw-r--r--', '-rwxr-xr-x', 'drwxr-xr-x']);
    });

    it('say what they need', () => {
      const file = fileOf(release);
      const needed = engines.node.replace('>=', '>= ');
      expect(fieldOf(file, 'Package')).toBe('pciback');
      expect(fieldOf(file, 'Version')).toBe(`${version}-1+deb${release}`);
      expect(fieldOf(file, 'Architecture')).toBe(architecture);
      expect(fieldOf(file, 'Maintainer')).toMatch(/^[^<>]+ <[^@\s]+@[^@\s]+>$/);
      expect(fieldOf(file, 'Depends').split(', ').includes(`nodejs (${needed})`)).toBe(release === '13');
      expect(fieldOf(file, 'Recommends')).toContain(release === '12' ? 'libxenmisc4.17' : 'libxenmisc4.20');
      const [synopsis = '', ...description] = fieldOf(file, 'Description').split('\n');
      expect(synopsis).toMatch(/^[^A-Z].{10,78}[^.]$/);
      for (const line of description) expect(line).toMatch(/^ (\.|\S.{0,78})$/);
      // Debian 12 has no engine that is new enough: the package brings the one that makes it, stripped; versions differ in size.
      const engine = release === '12' ? statSync(process.execPath).size / 1024 : 0;
      const kilobytes = Number(fieldOf(file, 'Installed-Size'));
      expect(kilobytes).toBeGreaterThan(engine / 2 + 3000);
      expect(kilobytes).toBeLessThan(engine + 12_000);
    });

    it('have sums of all files but those that an administrator changes', () => {
      const sums = readFileSync(inRoot(release, 'DEBIAN/md5sums'), 'utf8').trimEnd().split('\n');
      for (const line of sums) {
        const [sum = '', path = ''] = line.split('  ');
        expect(
          createHash('md5')
            .update(readFileSync(inRoot(release, path)))
            .digest('hex'),
        ).toBe(sum);
      }
      const plain = contentsOf(fileOf(release)).filter(({ path }) => !path.endsWith('/'));
      expect(readFileSync(inRoot(release, 'DEBIAN/conffiles'), 'utf8')).toBe('/etc/pciback/pciback.config.yaml\n');
      expect(sums).toHaveLength(plain.length - 1);
    });

    it.each(['postinst', 'prerm', 'postrm'])(
      'have a %s that a plain shell reads, and that ends where a step fails',
      (name) => {
        const script = inRoot(release, `DEBIAN/${name}`);
        expect(spawnSync('sh', ['-n', script]).status).toBe(0);
        expect(readFileSync(script, 'utf8')).toMatch(/^#!\/bin\/sh\n(#.*\n)*set -e\n/);
      },
    );

    it('start with an engine that is there', () => {
      const engine = release === '12' ? '/usr/lib/pciback/node' : '/usr/bin/node';
      expect(readFileSync(inRoot(release, 'usr/bin/pciback'), 'utf8')).toBe(
        `#!/bin/sh\nexec ${engine} /usr/lib/pciback/dist/plugins/commands/launch.cjs "$@"\n`,
      );
      if (release !== '12') return;
      const own = execFileSync(inRoot(release, engine), ['--version'], { encoding: 'utf8' });
      expect(own).toBe(`${process.version}\n`);
    });

    it('have the licence of each part', () => {
      const text = readFileSync(inRoot(release, 'usr/share/doc/pciback/copyright'), 'utf8');
      const folder = inRoot(release, 'usr/lib/pciback/node_modules');
      const names = readdirSync(folder).flatMap((name) =>
        name.startsWith('@') ? readdirSync(join(folder, name)).map((inner) => `${name}/${inner}`) : [name],
      );
      expect(names).toEqual(expect.arrayContaining(['jiti', 'koffi', 'pino', 'sonic-boom']));
      const others = ['zod', 'commander', 'cosmiconfig', 'semver', 'tapable', ...(release === '12' ? ['Node.js'] : [])];
      for (const name of [...names, ...others]) expect(text).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+$`, 'm'));
      expect(text).toContain(readFileSync(join(root, 'LICENSE'), 'utf8'));
    });
  });

  it('are the same when they are made again', { timeout: 600_000 }, async () => {
    const sum = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
    expect(sum(await makeFor('13', 'again'))).toBe(sum(fileOf('13')));
  });

  it('carry every package that the program imports', async () => {
    const { LOADED_LATE } = (await load('program.mjs')) as Program;
    const folder = inRoot('13', 'usr/lib/pciback/dist');
    const text = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      // What `pciback new` writes into packages is no import of its own.
      .filter((file) => file.endsWith('.js') && !file.startsWith('plugins/new/'))
      .map((file) => readFileSync(join(folder, file), 'utf8'))
      .join('\n');
    // What is imported of what is installed here: other words in quotes are no packages.
    const installedHere = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
    const imported = [...text.matchAll(/\b(?:from|import)\s*\(?\s*["'`]([a-z@][\w.@-]*)/g)].map(
      (found) => found[1] ?? '',
    );
    const packages = [...new Set(imported)].filter((name) => installedHere.includes(name));
    // The loader for TypeScript of cosmiconfig, which is not used, and what is for those who install from npm.
    const unused = ['typescript', 'ffi-napi'];
    expect(packages.length).toBeGreaterThan(1);
    expect(packages.filter((name) => !LOADED_LATE.includes(name) && !unused.includes(name))).toEqual([]);
    expect(text).toContain('koffi');
  });

  describe('installed', () => {
    const installed = (): string => inRoot('13', 'usr/lib/pciback/dist');
    const place = (content: Readonly<Record<string, string>>): string => {
      const folder = mkdtempSync(join(home, 'place-'));
      for (const [name, text] of Object.entries(content)) execFileSync('tee', [join(folder, name)], { input: text });
      return folder;
    };

    it('read an rc file in TypeScript, find the loader, and see the included guest', async () => {
      const folder = place({
        'pciback.config.ts':
          "import { defineConfig } from 'pciback/config'; export default defineConfig({ control: false });",
      });
      const { out, err, status } = await run(['doctor'], folder, installed());
      expect({ err, status }).toEqual({ err: '', status: 0 });
      expect(unfolded(out)).toMatch(/rc file: .*pciback\.config\.ts: valid/);
      expect(out).toMatch(/ok +.*koffi/);
      expect(out).toMatch(/ok +included guest/);
    });

    it('serve with a log in JSON', async () => {
      const folder = place(rc({ control: false, embedded: { devices: ['samples'] } }));
      const serving = start(['serve', '--json'], folder, installed());
      await serving.printed('"included guest is up"');
      serving.signal('SIGTERM');
      const { status, err, out } = await serving.end;
      expect({ status, err }).toEqual({ status: 0, err: '' });
      for (const line of out.trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
    });

    it('have an rc file of which each line that is a comment can be made one of the file', async () => {
      const { loadConfig } = await import('../../plugins/program/rc-file.ts');
      const sample = readFileSync(inRoot('13', 'etc/pciback/pciback.config.yaml'), 'utf8');
      const folder = place({ 'pciback.config.yaml': sample });
      expect((await loadConfig({ cwd: folder })).config.platform).toBe('xen');
      const commented = sample.split('\n').flatMap((line) => /^# ([a-z][A-Za-z]+: .*)$/.exec(line)?.[1] ?? []);
      expect(commented.length).toBeGreaterThanOrEqual(5);
      const whole = place({ 'pciback.config.yaml': ['platform: xen', ...commented].join('\n') });
      const { config } = await loadConfig({ cwd: whole });
      expect(config).toMatchObject({ quirks: ['./acme-nic.json'], log: { level: 'debug' }, hide: [expect.anything()] });
    });
  });

  describe('manual pages', () => {
    it('have every command, option and key', async () => {
      const { registries } = await loadPlugins({ config: defaultConfig(), directory: '/' }, silent);
      const commands = manual('usr/share/man/man1/pciback.1.gz');
      const flat = commands.replaceAll('\\-', '-').replaceAll(/\\f[BIR]/g, '');
      for (const { name, options = [] } of registries.commands.things) {
        expect(flat).toContain(`.SS pciback ${name}\n`);
        for (const { flags } of options) expect(flat).toContain(`.TP\n${flags.replace('…', '...')}\n`);
      }
      const config = manual('usr/share/man/man5/pciback.config.5.gz')
        .replaceAll('\\-', '-')
        .replaceAll(/\\f[BIR]/g, '');
      for (const { key } of describeConfig(declaredSections(registries))) expect(config).toContain(`.TP\n${key} (`);
    });

    it.skipIf(!has('man', '--version'))(
      'are rendered without a warning in 80 columns (left out where man is missing)',
      () => {
        for (const page of ['man1/pciback.1.gz', 'man5/pciback.config.5.gz']) {
          const file = inRoot('13', `usr/share/man/${page}`);
          const { stdout, stderr, status } = spawnSync('man', ['--warnings', '-l', file], {
            encoding: 'utf8',
            env: { ...process.env, MANWIDTH: '80', LC_ALL: 'C.UTF-8', MANPAGER: 'cat' },
          });
          expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
          expect(stdout).toMatch(/^NAME$/m);
          // A word that is longer than a line stays whole.
          const wide = stdout.split('\n').filter((line) => line.length > 80 && !/\S{68}/.test(line));
          expect(wide).toEqual([]);
        }
      },
    );
  });

  it('have a unit that starts what is installed, of the platform that a dom0 has', () => {
    const unit = readFileSync(inRoot('13', 'usr/lib/systemd/system/pciback.service'), 'utf8');
    expect(unit).toMatch(/^ExecStart=\/usr\/bin\/pciback serve --platform xen$/m);
    expect(statSync(inRoot('13', 'usr/bin/pciback')).mode & 0o111).toBe(0o111);
    expect(existsSync(inRoot('13', 'usr/lib/pciback/dist/plugins/commands/launch.cjs'))).toBe(true);
  });
});
