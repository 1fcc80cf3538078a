// SPDX-License-Identifier: MIT

import { definePlugin } from '../../../core/plugin/index.ts';
import { deviceInterrupts } from './device-interrupts.ts';
import { LineOwners } from './line-owners.ts';

/** Carries out what guests ask of a device's interrupts, as far as the chosen policy allows it. */
export default definePlugin({
  name: 'interrupts/device',
  api: '^1.0',
  apply: (host) => {
    const owners = new LineOwners();
    host.interruptDrivers.add('device', (terms) => deviceInterrupts(terms, owners));
  },
});
