// SPDX-License-Identifier: MIT

/**
 * What is in force without an rc file. The schema takes its defaults from here, so that a start without an rc file need
 * not load the schema.
 */
export const defaults = {
  platform: 'embedded',
  plugins: [],
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
  shutdownSeconds: 10,
  log: { level: 'info' },
  guests: {},
} as const;
