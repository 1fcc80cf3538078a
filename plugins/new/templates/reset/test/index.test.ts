// SPDX-License-Identifier: MIT

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGuest } from '../../shared/guest.js';
import plugin from '../src/index.js';

test('resets the device when it is seized and when it comes back', async () => {
  const { host, close } = await startGuest({ plugins: [plugin] });
  const resets = () => host.lines.filter(({ message, facts }) => message === 'reset' && facts.ok === true).length;
  const seized = resets();
  assert.ok(seized > 0);
  await close();
  assert.ok(resets() > seized);
});
