// SPDX-License-Identifier: MIT

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inventoryOf } from '../../../plugins/inventory.ts';
import { filesIn } from '../../../plugins/program/folders.ts';
import { parseConfig } from '../../../plugins/program/rc-file.ts';
import { loadPlugins } from '../../../plugins/program/start.ts';
import { thisProcess } from '../../../plugins/trust.ts';
import { recordingLog } from '../../kit/embedded-host.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-folders-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const write = (path: string, text: string): string => {
  const file = join(home, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
};
const quirk = (path: string, name: string, offset = '0xe8'): string =>
  write(
    path,
    JSON.stringify({
      name,
      source: path,
      match: [{ vendor: '1234', device: '5678' }],
      fields: [{ offset, width: 16, name: 'control', writable: '0x000f' }],
    }),
  );
const plugin = (path: string, name: string, more = ''): string =>
  write(path, `export default { kind: 'plugin', name: '${name}', version: '1.0.0', api: '^1.0', ${more} apply() {} };`);

const load = async (rc: object) => {
  const { log, lines } = recordingLog();
  const config = await parseConfig({ folders: ['plugins.d', 'quirks.d'], ...rc }, 'rc', home);
  const host = await loadPlugins({ config, directory: home, file: 'rc' }, log);
  const { plugins, from } = inventoryOf(host);
  const own = plugins.filter(({ origin }) => origin.startsWith(home));
  return { own: own.map(({ name, origin }) => [name, origin.slice(home.length + 1)]), from, lines, host };
};

describe('folders in which a file is enough', () => {
  it('every plugin and quirk there is loaded, in the order of the files; nothing else', async () => {
    plugin('plugins.d/20-b.mjs', 'lab/b');
    quirk('plugins.d/10-a.json', 'acme/nic');
    write(
      'plugins.d/30-c.ts',
      `import { definePlugin } from 'pciback/plugin';
      export default definePlugin({ name: 'lab/c', api: '^1.0', apply: (host: object) => void host });`,
    );
    for (const name of ['.hidden.json', 'nic.json~', 'nic.json.dpkg-old', 'README.md', 'types.d.ts', 'x.yaml'])
      write(`plugins.d/${name}`, 'never read');
    mkdirSync(join(home, 'plugins.d/folder'));
    quirk('quirks.d/distribution.json', 'distribution/nic', '0xec');
    expect((await load({})).own).toEqual([
      ['distribution/nic', 'quirks.d/distribution.json'],
      ['acme/nic', 'plugins.d/10-a.json'],
      ['lab/b', 'plugins.d/20-b.mjs'],
      ['lab/c', 'plugins.d/30-c.ts'],
    ]);
  });

  it('none of them need be there, and without the key there are none', async () => {
    const { own, from } = await load({});
    expect(own).toEqual([]);
    expect(from).toEqual({
      places: [
        { name: 'rc' },
        { name: join(home, 'plugins.d') },
        { name: join(home, 'quirks.d') },
        { name: 'bundled' },
      ],
      passedOver: [],
    });
    quirk('plugins.d/a.json', 'acme/nic');
    expect((await load({ folders: undefined })).own).toEqual([]);
    expect((await load({ folders: [] })).own).toEqual([]);
  });

  it('of one name the rc file counts, then plugins.d, then quirks.d, then what is bundled', async () => {
    for (const folder of ['plugins.d', 'quirks.d', 'own']) quirk(`${folder}/hda.json`, 'intel/hda');
    const bundled = { name: 'intel/hda', kind: 'quirk', origin: 'bundled' };
    const at = (folder: string) => join(home, folder, 'hda.json');
    const whole = await load({ quirks: ['own/hda.json'] });
    expect(whole.own).toEqual([['intel/hda', 'own/hda.json']]);
    expect(whole.from).toEqual({
      places: [
        { name: 'rc' },
        { name: join(home, 'plugins.d'), files: 1 },
        { name: join(home, 'quirks.d'), files: 1 },
        { name: 'bundled' },
      ],
      passedOver: [
        { ...bundled, by: at('own') },
        { ...bundled, origin: at('quirks.d'), by: at('own') },
        { ...bundled, origin: at('plugins.d'), by: at('own') },
      ],
    });
    expect(whole.lines.filter(({ message }) => message.startsWith('passed over'))).toHaveLength(3);
    expect((await load({})).own).toEqual([['intel/hda', 'plugins.d/hda.json']]);
    rmSync(at('plugins.d'));
    expect((await load({})).own).toEqual([['intel/hda', 'quirks.d/hda.json']]);
    rmSync(at('quirks.d'));
    expect((await load({})).host.loaded).toContainEqual(bundled);
  });

  it('without leaves out what a folder has; two files of one folder with one name are refused', async () => {
    quirk('quirks.d/a.json', 'acme/nic');
    expect((await load({ without: ['acme/nic'] })).own).toEqual([]);
    await expect(load({ without: ['acme/nik'] })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      facts: { nearest: 'acme/nic' },
    });
    quirk('quirks.d/b.json', 'acme/nic');
    await expect(load({})).rejects.toMatchObject({ code: 'PLUGIN_DUPLICATE' });
  });

  it('a file that is wrong ends the start, by its name', async () => {
    const file = write('plugins.d/a.json', '{ "name": ');
    await expect(load({})).rejects.toThrow(file);
  });

  it('one can need another, which is loaded first', async () => {
    plugin('plugins.d/a.mjs', 'lab/a', `needs: { 'lab/z': '^1.0' },`);
    plugin('plugins.d/z.mjs', 'lab/z');
    expect((await load({})).own.map(([name]) => name)).toEqual(['lab/z', 'lab/a']);
    rmSync(join(home, 'plugins.d/z.mjs'));
    await expect(load({})).rejects.toMatchObject({ code: 'PLUGIN_NEEDS' });
  });

  it('as root, a folder that others may write to is refused, also when it is empty', async () => {
    const folder = join(home, 'plugins.d');
    mkdirSync(folder);
    const real = thisProcess();
    const root = {
      ...real,
      uid: 0,
      status: async (path: string) => {
        const facts = await real.status(path);
        return { ...facts, uid: 0, mode: path.startsWith(home) ? facts.mode : 0o755 };
      },
    };
    expect(await filesIn(folder, root)).toEqual([]);
    chmodSync(folder, 0o777);
    await expect(filesIn(folder, root)).rejects.toMatchObject({ code: 'CONFIG_UNTRUSTED', facts: { path: folder } });
  });
});
