// SPDX-License-Identifier: MIT

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGuest } from '../../shared/guest.js';
import plugin from '../src/index.js';

/** Where the device of the dump has the capability. */
const AT = 0x70;

test('a guest writes what the fields open', async () => {
  const { read, write, close } = await startGuest({ plugins: [plugin] }, [{ offset: AT + 4, size: 2 }]);
  try {
    await write(AT + 4, 2, 0xffff);
    assert.equal(await read(AT + 4, 2), 0x000f);
  } finally {
    await close();
  }
});
