// SPDX-License-Identifier: MIT

import { afterAll, beforeAll, expect, vi } from 'vitest';

/** What the next file in the same process would find changed. */
const state = () => ({ folder: process.cwd(), environment: { ...process.env }, fakeTimers: vi.isFakeTimers() });

let before: ReturnType<typeof state>;
beforeAll(() => {
  before = state();
});
afterAll(() => {
  expect(state(), 'the tests of this file left something behind in their process').toEqual(before);
});
