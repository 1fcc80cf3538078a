// SPDX-License-Identifier: MIT

import { definePlugin } from '../../../core/plugin/index.ts';
import type { PartContext, RunningPart } from '../../kinds/part.ts';

const start = async (context: PartContext): Promise<RunningPart> => (await import('./drop-in-run.ts')).setUp(context);

const prepare = async (): Promise<void> => {
  await import('./drop-in-run.ts');
};

/** Does for drop-in mode what an operator would do by hand, and undoes it at the end. */
export default definePlugin({
  name: 'platforms/xen/drop-in',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('drop-in', {
      about: 'Keeps the kernel’s PCI back end from new guests, and binds all other back ends as the kernel would.',
      prepare,
      start,
    });
  },
});
