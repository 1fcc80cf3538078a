// SPDX-License-Identifier: MIT

import { availableParallelism } from 'node:os';
import type { z } from 'zod';
import { definePlugin } from '../../../core/plugin/index.ts';
import type { DiagnoseSettings, PlatformSettings } from '../../kinds/platform.ts';
import { xenSection } from './section.ts';

/** Imports the platform when it is chosen. Not inside of the export: the compiler does not rewrite imports there. */
const create = async ({ native, answerer, watch, log, options }: PlatformSettings<z.output<typeof xenSection>>) => {
  const [{ createXenPlatform }, loader] = await Promise.all([import('./index.ts'), native()]);
  const { lane, precedence: asked, ...others } = options;
  const unasked = availableParallelism() > 1 ? 'full' : 'lane';
  const precedence = asked === undefined ? unasked : asked ? 'full' : 'none';
  const threads = lane && answerer !== undefined ? { answerer } : {};
  return createXenPlatform({ native: loader, log, watch, ...others, precedence, ...threads });
};

/** As above. */
const lock = async () => (await import('./index.ts')).lockedNode();

/** As above, for `pciback doctor`. */
const diagnose = async (settings: DiagnoseSettings) => (await import('./doctor.ts')).diagnose(settings);

/** A real dom0. */
export default definePlugin({
  name: 'platforms/xen',
  api: '^1.0',
  apply: (host) => {
    host.platforms.add('xen', { about: 'A real dom0.', options: xenSection, lock, create, diagnose });
  },
});
