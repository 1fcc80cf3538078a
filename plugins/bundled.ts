// SPDX-License-Identifier: MIT

import type { BundledPlugins } from '../core/plugin/resolve.ts';

/**
 * The plugins of the package, by name, in the order of loading. Each module is imported only when its plugin is wanted;
 * those of platforms, loaders and commands import what they need only when it is used.
 */
export const bundled = {
  'fields/header': { byDefault: true, load: () => import('./fields/header.ts') },
  'fields/power': { byDefault: true, load: () => import('./fields/power.ts') },
  'fields/vpd': { byDefault: true, load: () => import('./fields/vpd.ts') },
  'fields/msi': { byDefault: true, load: () => import('./fields/msi.ts') },
  'fields/msix': { byDefault: true, load: () => import('./fields/msix.ts') },
  'slots/vpci': { byDefault: true, load: () => import('./slots/vpci.ts') },
  'slots/passthrough': { byDefault: true, load: () => import('./slots/passthrough.ts') },
  'interrupts/strict': { byDefault: true, load: () => import('./interrupts/strict.ts') },
  'platforms/embedded': { byDefault: true, load: () => import('./platforms/embedded/plugin.ts') },
  'platforms/xen': { byDefault: true, load: () => import('./platforms/xen/plugin.ts') },
  'native/koffi': { byDefault: true, load: () => import('./native/koffi/plugin.ts') },
  'native/ffi-napi': { byDefault: true, load: () => import('./native/ffi-napi/plugin.ts') },
  'commands/serve': { byDefault: true, load: () => import('./commands/serve.ts') },
  'commands/demo': { byDefault: true, load: () => import('./commands/demo.ts') },
  'commands/doctor': { byDefault: true, load: () => import('./commands/doctor.ts') },
  'broadcom/tg3': { byDefault: true, load: () => import('../quirks/14e4-broadcom/tg3.ts') },
} as const satisfies BundledPlugins;
