// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { Leaks } from './leaks.ts';
import { operations, processHoldings } from './operations.ts';

/** What is held of the hypervisor, the store and the host, and whether it is given back. */
export default definePlugin({
  name: 'ledger',
  api: '^1.0',
  apply: (host) => {
    const leaks = new Leaks();
    host.hooks.guestDisconnected.tap(({ domain }) => leaks.guestGone(domain));
    host.hooks.deviceReturned.tap(({ bdf }, { domain }) => leaks.deviceBack(bdf, domain));
    host.parts.add('ledger', {
      about: 'Counts what is held, and says what is not given back.',
      operations,
      start: (context) => {
        leaks.context = context;
        return {
          counters: () => {
            const { mapped, bound, pirqs, assigned } = context.engine.ledger();
            const watches = (context.engine.platform.held?.() ?? []).filter(({ kind }) => kind === 'watch').length;
            const { descriptors, timers } = processHoldings();
            const ours = { pages: mapped, channels: bound, pirqs, devices: assigned, watches };
            return { ...ours, descriptors, timers, leaks: leaks.found };
          },
          stop: () => {
            leaks.allGone();
            leaks.context = undefined;
          },
        };
      },
    });
  },
});
