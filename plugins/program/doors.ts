// SPDX-License-Identifier: MIT

import type { Doors } from './module.ts';

/** What rc files, plugins and quirks import by name, wherever they lie. */
export const doors: Doors = {
  pciback: () => import('./index.ts'),
  'pciback/config': () => import('./config.ts'),
  'pciback/plugin': () => import('../kinds/index.ts'),
  'pciback/quirk': () => import('../../quirks/index.ts'),
  zod: () => import('zod'),
};
