// SPDX-License-Identifier: MIT

import { definePlugin } from '../../../core/plugin/index.ts';

/** Not inside of the export: the compiler does not rewrite imports there. */
const run = () => import('./trial.ts');

/** A stock kernel of Debian in an emulator, with devices behind sockets of platform vfio-user. */
export default definePlugin({
  name: 'guests/linux',
  api: '^1.1',
  apply: (host) => {
    host.guestSystems.add('linux', {
      about:
        'A stock kernel of Debian in an emulator that is a client of vfio-user: no Xen, no hardware, no root but once.',
      prepare: async (trial) => (await run()).prepare(trial),
      try: async (terms, trial) => (await run()).runTrial(terms, trial),
    });
  },
});
