// SPDX-License-Identifier: MIT
// The hosts that scenarios run on.

import { join } from 'node:path';
import { installPackage, setUpDebian13 } from './debian13.mjs';
import { setUpOwn } from './setup.mjs';

/**
 * @typedef {object} Host
 * @property {string} summary one line
 * @property {(folder: string, say: (text: string) => void) => import('./setup.mjs').Machine} setUp makes what is missing
 * @property {(machine: object, project: string, say: (text: string) => void) => Promise<Record<string, string>>} install
 * makes the built program ready in dom0's root; what scenarios are to know of it
 */

/** By name; the first one is the default. @type {Map<string, Host>} */
export const hosts = new Map([
  [
    'own',
    {
      summary: "this machine's own root, Debian's Xen and kernel for it, and the checkout",
      setUp: setUpOwn,
      install: async (_machine, project) => ({ PROJECT: project, NODE: process.execPath, INSTALLED: '' }),
    },
  ],
  [
    'debian13',
    {
      summary: 'a Debian 13 of its own, with its Xen, kernel and Node.js, and the package installed there',
      setUp: (folder, say) => setUpDebian13(join(folder, 'debian13'), say),
      install: async (machine, project, say) => {
        await installPackage(machine, project, say);
        return { PROJECT: '/usr/lib/pciback', NODE: '/usr/bin/node', INSTALLED: '1' };
      },
    },
  ],
]);
