// SPDX-License-Identifier: MIT

import { definePlugin } from 'pciback/plugin';

/** Milliseconds that the device needs after a reset before it may be touched. */
const READY_MS = 10;

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

export default definePlugin({
  name: 'pciback-acme-thing',
  version: '0.1.0',
  api: '^1.1',
  apply: (host) => {
    // Called at seizing, when a guest asks for it, in the recovery of an error, at the return and before a release.
    host.hooks.resetDevice.tap(async ({ bdf, identity }, hardware) => {
      if (identity.vendor !== 0x1234 || identity.device !== 0x5678) return undefined;
      const outcome = await hardware.reset(['bus']); // the host's own methods, but for this one
      await pause(READY_MS);
      host.log.info({ bdf, ok: outcome.ok }, 'reset');
      return outcome;
    });
  },
});
