// SPDX-License-Identifier: MIT

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startEmbeddedHost } from 'pciback/testing';
import { devices } from '../../shared/guest.js';
import plugin from '../src/index.js';

/** What the driver of a guest gets that asks for three vectors, then for one, then for the line. */
const interruptsUnder = async (interrupts: string): Promise<string | undefined> => {
  const host = await startEmbeddedHost({ devices, plugins: [plugin], config: { interrupts } });
  try {
    const addresses = devices.map(({ bdf }) => bdf);
    const guest = await host.guest(addresses);
    return (await guest.reached(4)).devices[0]?.driver?.interrupts;
  } finally {
    await host.close();
  }
};

test('a guest that asks for more vectors gets MSI', async () => {
  assert.equal(await interruptsUnder('strict'), 'msix');
  assert.equal(await interruptsUnder('thing'), 'msi');
});
