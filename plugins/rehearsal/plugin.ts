// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';

const start = async (context: PartContext): Promise<RunningPart> =>
  (await import('./rehearsal-run.ts')).rehearseSoon(context);

const prepare = async (plugins: PluginHost): Promise<void> =>
  (await import('./rehearsal-run.ts')).rehearseTakeOver(plugins);

/** Serves a guest that is not there before the first one comes, so that the engine has compiled what its requests run. */
export default definePlugin({
  name: 'rehearsal',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('rehearsal', {
      about: 'Serves a guest in this process before the first one comes, who is answered sooner for it.',
      needs: ['guests'],
      prepare,
      start,
    });
  },
});
