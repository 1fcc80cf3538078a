// SPDX-License-Identifier: MIT

export { defaultConfig, type LoadedConfig, loadConfig, parseConfig } from './load.ts';
export type { Config, ConfigInput, DevicePattern, PluginEntry, Sections } from './schema.ts';
