// SPDX-License-Identifier: MIT

import { defaultDeadlines } from '../hooks/table.ts';

/**
 * What is in force without an rc file. The schema takes its defaults from here, so that a start without an rc file need
 * not load the schema.
 */
export const defaults = {
  platform: 'embedded',
  plugins: [],
  without: [],
  quirks: [],
  hide: [],
  fields: 'full',
  slots: 'vpci',
  watch: 'adaptive',
  interrupts: 'strict',
  permissive: [],
  allowInterruptControl: [],
  sharedLines: 'refuse',
  onReset: { failed: 'quarantine', unsupported: 'allow' },
  deadlines: defaultDeadlines,
  shutdownSeconds: 10,
  log: { level: 'info' },
  guests: {},
} as const;
