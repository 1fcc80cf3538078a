// SPDX-License-Identifier: MIT

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGuest } from '../../shared/guest.js';
import plugin, { NAME } from '../src/index.js';

test('counts what was refused', async () => {
  const { host, write, close } = await startGuest({ plugins: [plugin] });
  try {
    await write(0xe8, 4, 0xffffffff);
    const told = await host.parts.operations().get(NAME)?.answer({ least: 1 });
    assert.deepEqual(Object.values(told as Record<string, number>), [1]);
  } finally {
    await close();
  }
});
