// SPDX-License-Identifier: MIT

import { defineConfig } from 'vitest/config';

/**
 * Tests that leave nothing behind in their process: they start no program, and change no signal, environment or module. Files of
 * these folders share a process, which reads the modules once, instead of having one each: a third of the time.
 */
const sharing = [
  'test/core/**/*.test.ts',
  'test/quirks/**/*.test.ts',
  'test/testing/**/*.test.ts',
  'test/plugins/{fields,health,interrupts,ledger,metrics,recovery,resets,slots,switches}/**/*.test.ts',
  'test/plugins/platforms/{embedded,xen}/**/*.test.ts',
];

export default defineConfig({
  test: {
    pool: 'forks', // native calls and process signals want a process of their own, not a thread
    testTimeout: 20_000, // milliseconds; a test that starts the command line needs some of them
    hookTimeout: 60_000,
    expect: { poll: { timeout: 15_000 } }, // a busy host takes its time
    projects: [
      {
        extends: true,
        test: { name: 'alone', include: ['test/**/*.test.ts'], exclude: sharing },
      },
      {
        extends: true,
        test: { name: 'sharing', include: sharing, isolate: false, setupFiles: ['test/tools/left-behind.ts'] },
      },
    ],
  },
});
