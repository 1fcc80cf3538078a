// SPDX-License-Identifier: MIT

import type { ConfigInput } from './schema.ts';

export { defaultConfig, type LoadedConfig, loadConfig, parseConfig } from './load.ts';
export type { Config, ConfigInput, DevicePattern, PluginEntry, Sections } from './schema.ts';

/** An rc file in TypeScript default-exports `defineConfig({ … })`: the same object, with completion and checks. */
export const defineConfig = (config: ConfigInput): ConfigInput => config;
