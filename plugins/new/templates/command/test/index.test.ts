// SPDX-License-Identifier: MIT

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BundledOperations } from 'pciback';
import { startGuest } from '../../shared/guest.js';
import plugin, { linesOf } from '../src/index.js';

test('prints a line for each device', async () => {
  const { host, close } = await startGuest({ plugins: [plugin] });
  try {
    const answer = await host.parts.operations().get('status')?.answer({});
    const lines = linesOf(answer as BundledOperations['status']['answers']);
    assert.match(lines.join('\n'), /^0000:01:00\.0 {2}\S/);
    assert.deepEqual(linesOf({ devices: [] }), []);
    assert.ok(host.plugins.loaded.some(({ name }) => name === plugin.name));
  } finally {
    await close();
  }
});
