// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import type { controlSection } from '../control/section.ts';
import type { journalSection } from '../journal/section.ts';
import type { metricsSection } from '../metrics/section.ts';
import type { embeddedSection } from '../platforms/embedded/section.ts';
import type { vfioUserSection } from '../platforms/vfio-user/section.ts';
import type { xenSection } from '../platforms/xen/section.ts';
import type { errorsSection } from '../recovery/section.ts';
import type { ConfigInput } from './schema.ts';

/** The sections of bundled plugins. */
export interface BundledSections {
  readonly control?: z.input<typeof controlSection>;
  readonly embedded?: z.input<typeof embeddedSection>;
  readonly errors?: z.input<typeof errorsSection>;
  readonly 'vfio-user'?: z.input<typeof vfioUserSection>;
  readonly journal?: z.input<typeof journalSection>;
  readonly metrics?: z.input<typeof metricsSection>;
  readonly xen?: z.input<typeof xenSection>;
}

/** An rc file: keys of the core, sections of bundled plugins, and sections of others, which are judged when those are loaded. */
export type RcFile = ConfigInput & BundledSections & { readonly [section: string]: unknown };

/** An rc file in TypeScript default-exports `defineConfig({ … })`: the same object, with completion and checks. */
export const defineConfig = (config: RcFile): RcFile => config;
