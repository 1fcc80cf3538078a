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
  interrupts: 'strict',
  permissive: [],
  onReset: { failed: 'quarantine', unsupported: 'allow' },
  shutdownSeconds: 10,
  control: '/run/pciback/control.sock',
  log: { level: 'info' },
  embedded: { devices: ['host', 'samples'] },
  xen: { mode: 'drop-in' },
  guests: {},
} as const;
