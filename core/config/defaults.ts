// SPDX-License-Identifier: MIT

/** What is in force without an rc file; the schema takes its defaults from here. */
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
  errors: { deadlineSeconds: 60, onFailure: 'fence' },
  shutdownSeconds: 10,
  control: '/run/pciback/control.sock',
  log: { level: 'info' },
  embedded: { devices: ['host', 'samples'] },
  xen: { configPages: true, lane: true, mode: 'drop-in', precedence: true },
  guests: {},
} as const;
