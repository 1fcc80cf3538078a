// SPDX-License-Identifier: MIT

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks', // native calls and process signals want a process of their own, not a thread
    testTimeout: 20_000, // milliseconds; a test that starts the command line needs some of them
    hookTimeout: 60_000,
    expect: { poll: { timeout: 15_000 } }, // a busy host takes its time
  },
});
