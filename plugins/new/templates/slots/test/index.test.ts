// SPDX-License-Identifier: MIT

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startEmbeddedHost } from 'pciback/testing';
import { devices } from '../../shared/guest.js';
import plugin from '../src/index.js';

test('a guest finds its device in the last slot', async () => {
  const host = await startEmbeddedHost({ devices, plugins: [plugin], config: { slots: 'thing' } });
  try {
    const addresses = devices.map(({ bdf }) => bdf);
    const guest = await host.guest(addresses);
    const found = (await guest.reached(4)).devices.map(({ vdev }) => vdev);
    assert.deepEqual(found, ['0000:00:1f.0']);
  } finally {
    await host.close();
  }
});
