// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { rehearse } from '../../../plugins/commands/rehearsal.ts';
import { configure, loadPlugins } from '../../../plugins/commands/setup.ts';
import { createEmbeddedPlatform, sample } from '../../../plugins/platforms/embedded/index.ts';
import { recordingLog } from '../../kit/index.ts';
import { rehearsalParts } from '../../kit/rehearsal-parts.ts';

describe('a rehearsal of the control thread', () => {
  it('x', async () => {
    const { lines, log } = recordingLog();
    const loaded = await configure({});
    const plugins = await loadPlugins(loaded, log);
    const real = createEmbeddedPlatform({ devices: [sample('e1000e')] });
    const { parts, open, made } = rehearsalParts(real);
    for (const lane of [false, true]) {
      const platform = { ...real, rehearsal: parts, ...(lane ? { lane: {} as never } : {}) };
      const t = performance.now();
      const r = rehearse({ platform, plugins, config: loaded.config, log, isWanted: () => true });
      console.log(await r?.over, performance.now() - t, open, made, lines);
      console.log(real.hypervisor.ledger());
    }
  });
});
