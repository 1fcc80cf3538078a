// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silent } from '../../../../core/log.ts';
import { lockedNode } from '../../../../plugins/platforms/xen/index.ts';
import { defaultConfig } from '../../../../plugins/program/defaults.ts';
import { loadPlugins } from '../../../../plugins/program/start.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-xen-lock-'));
});
afterEach(() => rmSync(home, { recursive: true }));

describe('the lock of a Xen host', () => {
  it('is the device of event channels, which every back end opens', async () => {
    for (const name of ['evtchn', 'gntdev', 'privcmd']) writeFileSync(join(home, name), '');
    expect(await lockedNode(home)).toBe(join(home, 'evtchn'));
  });

  it('is none without Xen, and that is what is said', async () => {
    await expect(lockedNode(home)).rejects.toMatchObject({ code: 'PLATFORM_UNAVAILABLE' });
  });

  it('is what the bundled platform asks for', async () => {
    const plugins = await loadPlugins({ config: defaultConfig(), directory: '/' }, silent);
    expect(plugins.registries.platforms.get('xen').lock).toBeTypeOf('function');
    expect(plugins.registries.platforms.get('embedded').lock).toBeUndefined();
    plugins.close();
  });
});
