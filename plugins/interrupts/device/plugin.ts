// SPDX-License-Identifier: MIT

import { definePlugin } from '../../../core/plugin/index.ts';
import { deviceInterrupts } from './device-interrupts.ts';

/** Carries out what guests ask of a device's interrupts, as far as the chosen policy allows it. */
export default definePlugin({
  name: 'interrupts/device',
  api: '^1.0',
  apply: (host) => {
    host.interruptDrivers.add('device', deviceInterrupts);
  },
});
