// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** This package as it lies here: its folder, absolute, and its version. */
export const ownPackage = (): { readonly folder: string; readonly version: string } => {
  for (let at = import.meta.dirname; dirname(at) !== at; at = dirname(at)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as Record<string, string>;
      if (name === 'pciback' && version !== undefined) return { folder: at, version };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  throw new Error('the package.json of pciback is not above its own files');
};
