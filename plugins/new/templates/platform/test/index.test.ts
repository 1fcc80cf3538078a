// SPDX-License-Identifier: MIT

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPciback } from 'pciback';
import plugin, { NAME } from '../src/index.js';

test('has the cards that its section of the rc file names', async () => {
  const config = { platform: NAME, [NAME]: { cards: ['e1000e'] }, control: false } as const;
  const { platform, stop } = await startPciback({ config, plugins: [plugin] });
  try {
    assert.equal(platform.name, NAME);
    const ids = (await platform.pci.list()).map(({ vendor, device }) => [vendor, device]);
    assert.deepEqual(ids, [[0x8086, 0x10d3]]);
  } finally {
    await stop();
  }
});
