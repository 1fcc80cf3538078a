// SPDX-License-Identifier: MIT

import { closeSync, writeSync } from 'node:fs';
import { library, type NativeLoader, type RehearsalParts } from '../../../core/platform/index.ts';
import type { ConfigPage } from './config-pages.ts';
import { libcNames } from './libraries.ts';
import { checked } from './native-call.ts';
import { hostError } from './sysfs-files.ts';
import { type Config, configOver, functionOver } from './sysfs-function.ts';

const libc = library({
  names: libcNames,
  package: 'libc6',
  functions: { memfd_create: ['int', ['string', 'uint32']] },
});

/** MFD_CLOEXEC, and MFD_NOEXEC_SEAL: newer kernels note in their log, or refuse, what could be run; older ones do not know it. */
const CLOSE_ON_EXEC = 1;
const NEVER_RUN = 8;
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
  const create = (flags: number) => native.bind(libc).memfd_create('pciback-rehearsal', flags);
  const sealed = create(CLOSE_ON_EXEC | NEVER_RUN);
  const fd = sealed >= 0 ? sealed : checked(native, 'memfd_create', create(CLOSE_ON_EXEC));
  try {
    writeSync(fd, config, 0, config.length, 0);
  } catch (error) {
    closeSync(fd);
    throw hostError('write of config space', error);
  }
  return configOver(fd);
};

/** Functions that are not there, over the calls that are made for those that are. @param reads how those are read */
export const paperFunctions =
  (native: NativeLoader, reads: 'files' | 'pages'): RehearsalParts['function'] =>
  ({ config, ...facts }) =>
    functionOver(openPaper(native, config), facts, reads === 'pages' ? paperPage(config) : undefined, async () => ({
      ok: true,
      method: 'on paper',
    }));
