// SPDX-License-Identifier: MIT

import type { Doors } from '../core/files/module.ts';

/** What rc files, plugins and quirks import by name, wherever they lie. */
export const doors: Doors = {
  pciback: () => import('./index.ts'),
  'pciback/config': () => import('./config.ts'),
  // Types only.
  'pciback/operations': async () => ({}),
  'pciback/plugin': () => import('../core/plugin/index.ts'),
  'pciback/quirk': () => import('../core/quirk/quirk.ts'),
  zod: () => import('zod'),
};
