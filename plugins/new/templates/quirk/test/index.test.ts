// SPDX-License-Identifier: MIT

import { test } from 'node:test';
import { testQuirk } from 'pciback/testing';
import quirk from '../src/index.js';

test('opens what a driver needs, and no bit more', async () => {
  await testQuirk(quirk, {
    dump: new URL('../../test/device.txt', import.meta.url), // made by `lspci -xxxx -s BDF`, as root
    accesses: [
      { write: 0xe8, size: 2, value: 0x000f, outcome: 'accepted', shows: 0x000f },
      { write: 0xe8, size: 2, value: 0xffff, outcome: 0xfff0, shows: 0x000f }, // these bits are refused
      { write: 0xec, size: 4, value: 0xffffffff, outcome: 'accepted' },
    ],
  });
});
