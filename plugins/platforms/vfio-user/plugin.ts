// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import { definePlugin } from '../../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../../kinds/command.ts';
import type { RunningPart } from '../../kinds/part.ts';
import type { PlatformSettings } from '../../kinds/platform.ts';
import type { RunningDoor } from './index.ts';
import { operations } from './operations.ts';
import { vfioUserSection } from './section.ts';

type Settings = PlatformSettings<z.output<typeof vfioUserSection>>;

const injectInterrupt: CommandDefinition = {
  name: 'inject-interrupt',
  summary: 'make a device of the running pciback raise an interrupt',
  details: `Platform vfio-user only: the interrupt goes to the client that has the device. KIND is intx, msi or msix; without
it, the one that the client listens to.`,
  arguments: [
    { name: '<bdf>', description: 'address of the device: [DDDD:]BB:SS.F' },
    { name: '[kind]', description: 'intx, msi or msix', words: ['intx', 'msi', 'msix'] },
    { name: '[vector]', description: 'number of the message; 0 if missing' },
  ],
  options: controlOptions,
  run: async (context) => (await import('./inject-interrupt-run.ts')).runInjectInterrupt(context),
};

/** Not inside of the export: the compiler does not rewrite imports there. */
const open = () => import('./index.ts');

/** A second front door: devices for machines whose emulator is a client of the protocol vfio-user. */
export default definePlugin({
  name: 'platforms/vfio-user',
  api: '^1.0',
  apply: (host) => {
    /** What a platform was made with, for the part that opens its sockets. */
    let made: Settings | undefined;
    let door: RunningDoor | undefined;
    host.platforms.add('vfio-user', {
      about: 'No hypervisor: each device is offered at a socket, to any client of the protocol vfio-user.',
      options: vfioUserSection,
      create: async (settings: Settings) => {
        const { vfioUserPlatform } = await open();
        made = settings;
        return vfioUserPlatform(await settings.open('embedded', { devices: settings.options.devices }));
      },
    });
    host.parts.add('vfio-user', {
      about: 'Opens the sockets of platform vfio-user and serves their clients.',
      needs: ['guests'],
      required: true,
      operations,
      start: async ({ engine, log }): Promise<RunningPart> => {
        const settings = made;
        if (settings === undefined) return { health: () => `not for platform ${engine.platform.name}` };
        const { options, directory } = settings;
        const { openDoor } = await open();
        const running = await openDoor({ engine, log, native: await settings.native(), options, directory });
        door = running;
        return {
          offers: running,
          health: () => `${running.posts.length} sockets`,
          counters: () => ({ clients: running.posts.filter((one) => one.client !== undefined).length }),
          stop: async () => {
            door = undefined;
            await running.close();
          },
        };
      },
    });
    host.hooks.deviceFenced.tap((device) => {
      door?.reportError(device.bdf);
      return undefined;
    });
    host.commands.add(injectInterrupt);
  },
});
