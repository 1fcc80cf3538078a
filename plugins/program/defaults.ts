// SPDX-License-Identifier: MIT

import type { Config } from '../kinds/config.ts';
import { defaultDeadlines } from '../kinds/kinds.ts';

/** What is in force without an rc file; the schema takes its defaults from here. */
export const defaults = {
  platform: 'embedded',
  plugins: [],
  without: [],
  quirks: [],
  hide: [],
  fields: 'full',
  backend: true,
  slots: 'vpci',
  watch: 'adaptive',
  interrupts: 'strict',
  permissive: [],
  allowInterruptControl: [],
  allowInUse: [],
  allowSharedPages: [],
  sharedLines: 'refuse',
  onReset: { failed: 'quarantine', unsupported: 'allow' },
  deadlines: defaultDeadlines,
  shutdownSeconds: 10,
  log: { level: 'info' },
  guests: {},
} as const satisfies Config;

/** The configuration without an rc file. */
export const defaultConfig = (): Config => structuredClone(defaults);
