// SPDX-License-Identifier: MIT
// A plugin that takes every access of clients down, and keeps it in this process.

import { join, resolve } from 'node:path';

const DOOR = join(resolve(import.meta.dirname, '../..'), 'dist/plugins/kinds/index.js');
/** Accesses that are kept of one device. */
const CAPACITY = 200_000;

/** @returns the plugin, and `of(bdf)`: what was recorded, oldest first */
export async function keepingRecorder() {
  const { definePlugin } = await import(DOOR);
  const logs = new Map();
  const plugin = definePlugin({
    name: 'guest/recorder',
    api: '^1.1',
    apply: (host) => {
      host.hooks.unhandledWrite.tap((device) => {
        const log = logs.get(device.bdf) ?? [];
        logs.set(device.bdf, log);
        return { recorder: { access: (one) => void (log.length < CAPACITY && log.push({ ...one })) } };
      });
    },
  });
  return { plugin, of: (bdf) => logs.get(bdf) ?? [] };
}
