// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import { type Bdf, formatBdf } from '../../core/bdf.ts';
import type { LoadedConfig } from '../../core/config/index.ts';
import { fail } from '../../core/errors/index.ts';
import { RateLimit, silent } from '../../core/log.ts';
import { Pciback } from '../../core/pciback.ts';
import { DenialRecord } from '../../core/space/denials.ts';
import type { Tenant } from '../../core/stub/index.ts';
import { loadPlugins } from '../commands/setup.ts';
import { Control } from '../control/index.ts';
import { createEmbeddedPlatform, hostDevices, readDump } from '../platforms/embedded/index.ts';

/** Nobody runs in it: it only holds the device, so that its table is compiled. */
const nobody = (): Tenant => ({
  domain: 1,
  name: 'none yet',
  denials: new DenialRecord(1),
  limit: new RateLimit(() => 0),
  refused: () => {},
  settled: () => {},
  warn: () => {},
});

/**
 * What a guest would get of a device: it is made from its config space, in this process, and given to a guest that does
 * nothing.
 *
 * @param dump file made by lspci -xxxx; `undefined`: this host's own devices, which are only read
 * @throws PcibackError `DEVICE_NOT_FOUND`, `FILE_UNREADABLE`, `DUMP_INVALID`, and what plugins are refused for
 */
export const withoutDaemon = async <Result>(
  loaded: LoadedConfig,
  address: Bdf,
  dump: string | undefined,
  use: (control: Control) => Result,
): Promise<Result> => {
  const images = dump === undefined ? await hostDevices() : await readDump(resolve(dump));
  const image = images.find((one) => one.bdf === address);
  if (image === undefined) {
    const where = dump === undefined ? 'of this host' : `of ${dump}`;
    return fail('DEVICE_NOT_FOUND', { bdf: formatBdf(address), platform: `embedded (devices ${where})` });
  }
  const plugins = await loadPlugins(loaded, silent);
  const platform = createEmbeddedPlatform({ devices: [image] });
  try {
    const config = { ...loaded.config, platform: 'embedded', hide: [] };
    const pciback = new Pciback({ platform, plugins, config, log: silent });
    await pciback.stub.assign(address, nobody());
    return use(new Control({ platform: 'embedded', pciback, plugins }));
  } finally {
    await platform.close();
    plugins.close();
  }
};
