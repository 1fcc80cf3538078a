// SPDX-License-Identifier: MIT

import { definePlugin, type PlatformFactory } from '../../../core/plugin/index.ts';

/** Imports the platform when it is chosen. Not inside of the export: the compiler does not rewrite imports there. */
const create: PlatformFactory = async ({ options }) => {
  const [{ createEmbeddedPlatform }, { gatherDevices }] = await Promise.all([
    import('./index.ts'),
    import('./gather.ts'),
  ]);
  const names = Array.isArray(options.devices) ? options.devices.map(String) : [];
  return createEmbeddedPlatform({ devices: await gatherDevices(names) });
};

/** Xen in this process, with devices from this host, from dumps, or from the bundled samples. */
export default definePlugin({
  name: 'platforms/embedded',
  api: '^1.0',
  apply: (host) => {
    host.platforms.add('embedded', create);
  },
});
