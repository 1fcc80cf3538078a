// SPDX-License-Identifier: MIT

import { closeSync, writeSync } from 'node:fs';
import { library, type NativeLoader, type RehearsalParts } from '../../../core/platform/index.ts';
import type { ConfigPage } from './config-pages.ts';
import { libcNames } from './libraries.ts';
import { checked } from './native-call.ts';
import { type Config, functionOver, openConfig } from './sysfs-function.ts';

const libc = library({
  names: libcNames,
  package: 'libc6',
  functions: { memfd_create: ['int', ['string', 'uint32']] },
});

/** MFD_CLOEXEC. */
const CLOSE_ON_EXEC = 1;
const PAGE_BYTES = 4096;

/**
 * A page in which nobody answers but for the ids, so that of two reads the one is a load and the other is made again
 * through the file: a store to config space does not reach this page.
 */
const paperPage = (config: Uint8Array): ConfigPage => {
  const memory = new ArrayBuffer(PAGE_BYTES);
  const bytes = new Uint8Array(memory).fill(0xff);
  bytes.set(config.subarray(0, 4));
  return { reference: 0n, memory, unmap: () => undefined };
};

/** Config space as a file that has no name: nobody else finds it, and nothing is left of it. */
const openPaper = (native: NativeLoader, config: Uint8Array): Config => {
  const fd = checked(native, 'memfd_create', native.bind(libc).memfd_create('pciback-rehearsal', CLOSE_ON_EXEC));
  try {
    writeSync(fd, config, 0, config.length, 0);
    return openConfig(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
};

/** Functions that are not there, over the calls that are made for those that are. @param reads how those are read */
export const paperFunctions =
  (native: NativeLoader, reads: 'files' | 'pages'): RehearsalParts['function'] =>
  ({ config, ...facts }) =>
    functionOver(openPaper(native, config), facts, reads === 'pages' ? paperPage(config) : undefined, async () => ({
      ok: true,
      method: 'on paper',
    }));
