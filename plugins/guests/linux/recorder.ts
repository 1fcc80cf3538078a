// SPDX-License-Identifier: MIT

import type { Bdf } from '../../../core/bdf.ts';
import { definePlugin, type Plugin } from '../../../core/plugin/index.ts';
import type { RecordedAccess } from '../../../core/space/recorder.ts';

/** Accesses that are kept of one device. */
const CAPACITY = 200_000;

/** A plugin that takes every access of clients down, and keeps it in this process. */
export interface KeepingRecorder {
  readonly plugin: Plugin;
  /** What was recorded, oldest first. */
  of(bdf: Bdf): readonly RecordedAccess[];
}

export const keepingRecorder = (): KeepingRecorder => {
  const logs = new Map<Bdf, RecordedAccess[]>();
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
};
