// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { definePlugin } from '../../core/plugin/index.ts';
import * as door from '../kit/index.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-kit-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const { startEmbeddedHost } = door;

describe('startEmbeddedHost', () => {
  it('takes plugins and quirks as an rc file has them, and things', async () => {
    const quirk = {
      name: 'acme/nic',
      source: 'x',
      match: [{ vendor: '8086', device: '10d3' }],
      fields: [{ offset: '0x44', width: 16, name: 'a', writable: '1' }],
    };
    writeFileSync(join(home, 'nic.json'), JSON.stringify(quirk));
    writeFileSync(
      join(home, 'own.mjs'),
      `export default { kind: 'plugin', name: 'acme/own', api: '^1.0', apply() {} };`,
    );
    const thing = definePlugin({ name: 'acme/thing', api: '^1.0', apply: () => {} });
    const host = await startEmbeddedHost({
      directory: home,
      config: { plugins: ['fields/hide'] },
      plugins: ['./own.mjs', ['observe/recorder', { directory: home }], thing],
      quirks: ['nic.json'],
    });
    const names = host.plugins.loaded.map(({ name }) => name);
    await host.close();
    expect(names).toEqual(
      expect.arrayContaining(['fields/hide', 'acme/own', 'observe/recorder', 'acme/nic', 'acme/thing']),
    );
  });

  it('refuses what it does not know, instead of passing over it', async () => {
    await expect(startEmbeddedHost({ quirk: [] } as object)).rejects.toThrow(
      /no option "quirk"\. Perhaps you meant "quirks"/,
    );
    await expect(startEmbeddedHost({ permissive: [] } as object)).rejects.toThrow(
      /no option "permissive"\. Keys of an rc file stand under `config`/,
    );
  });
});

describe('the door pciback/testing', () => {
  it.each([
    ['bundled sets', 'bundledSets'],
    ['parsers of dumps', 'parseDump', 'readDump', 'samples', 'hostDevices'],
    ['the contract of platforms', 'platformContract', 'runContract', 'nativeContract'],
    ['decisions of policies', 'decisionsOf', 'rateLimitedDecisions'],
    ['faults', 'faults', 'faultyPlaces', 'faultyPlugin', 'FakeFunction'],
    ['tests of quirks', 'testQuirk'],
  ])('has %s', (_, ...names) => {
    for (const name of names) expect(door).toHaveProperty(name);
  });

  it('and the bundled sets are those of the presets', async () => {
    const sets = await door.bundledSets();
    expect(sets.map(({ key }) => key)).toEqual(
      expect.arrayContaining(['fields/pcie: pcie', 'broadcom/tg3: broadcom/tg3']),
    );
  });
});
