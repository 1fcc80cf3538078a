// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import type { z } from 'zod';
import { definePlugin } from '../../../core/plugin/index.ts';
import type { PartContext, RunningPart } from '../../kinds/part.ts';
import type { PlatformSettings } from '../../kinds/platform.ts';
import { embeddedSection } from './section.ts';

const isWord = (device: string): boolean => device === 'host' || device === 'samples';

/** Imports the platform when it is chosen. Not inside of the export: the compiler does not rewrite imports there. */
const create = async ({ options, directory, log }: PlatformSettings<z.output<typeof embeddedSection>>) => {
  const [{ createEmbeddedPlatform }, { gatherDevices }] = await Promise.all([
    import('./index.ts'),
    import('./gather.ts'),
  ]);
  const names = options.devices.map((device) => (isWord(device) ? device : resolve(directory, device)));
  return createEmbeddedPlatform({ devices: await gatherDevices(names, (why) => log.warn({}, why)) });
};

/** As above: what makes guests for `pciback attach`. */
const start = async ({ engine }: PartContext): Promise<RunningPart> => {
  const { name } = engine.platform;
  if (name !== 'embedded') return { health: () => `not for platform ${name}` };
  return { offers: (await import('./door.ts')).embeddedDoor(engine) };
};

/** Xen in this process, with devices from this host, from dumps, or from the bundled samples. */
export default definePlugin({
  name: 'platforms/embedded',
  api: '^1.0',
  apply: (host) => {
    host.platforms.add('embedded', { about: 'Xen in this process.', options: embeddedSection, create });
    host.parts.add('embedded', { about: 'Makes and ends guests in this process.', needs: ['guests'], start });
  },
});
