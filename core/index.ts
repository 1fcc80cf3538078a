// SPDX-License-Identifier: MIT

export * from './bdf.ts';
export * from './config/index.ts';
export * from './errors/index.ts';
export * from './hooks/index.ts';
export * from './log.ts';
export * from './pciback.ts';
export * from './platform/index.ts';
export { PluginHost } from './plugin/loader.ts';
export type { DeviceMatch, Quirk } from './quirk/quirk.ts';
export * from './ring/index.ts';
