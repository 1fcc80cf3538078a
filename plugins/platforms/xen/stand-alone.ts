// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import { definePlugin } from '../../../core/plugin/index.ts';
import type { PartContext, RunningPart } from '../../kinds/part.ts';
import type { Finding } from '../../kinds/platform.ts';
import { isStandAlone } from './stand-alone-platform.ts';
import type { StandAlone } from './stand-alone-run.ts';
import { standAloneSection } from './stand-alone-section.ts';

/** Not inside of the export: the compiler does not rewrite imports there. */
const open = () => import('./stand-alone-run.ts');
const left = async (): Promise<readonly Finding[]> => (await import('./stand-alone-left.ts')).findings();

/** Devices and guests of a host without the kernel's PCI back end, and without a toolstack that knows of devices. */
export default definePlugin({
  name: 'platforms/xen/stand-alone',
  api: '^1.0',
  apply: (host) => {
    let running: StandAlone | undefined;
    host.parts.add('stand-alone', {
      about: 'Keeps devices from the host in mode stand-alone of platform xen, and puts everything back.',
      options: standAloneSection,
      required: true,
      prepare: async () => void (await open()),
      start: async ({
        engine,
        log,
        options,
        config,
      }: PartContext<z.output<typeof standAloneSection>>): Promise<RunningPart> => {
        const { StandAlone } = await open();
        if (!isStandAlone(engine.platform))
          return { health: () => `not for this mode of platform ${engine.platform.name}` };
        const one = await StandAlone.begin({ engine, log, options, config }, engine.platform);
        running = one;
        return {
          health: () => one.health,
          stop: async () => {
            await one.end();
            running = undefined;
          },
        };
      },
      diagnose: left,
    });
    // The part with the platform's name is the one that gives devices to guests.
    host.parts.add('xen', {
      about: 'Gives devices to guests in mode stand-alone of platform xen.',
      needs: ['guests', 'stand-alone'],
      start: () => running?.serve() ?? {},
    });
    host.hooks.deviceSeized.tap(async ({ bdf }) => running?.seized(bdf));
    host.hooks.resetDevice.tap(async ({ bdf }) => {
      await running?.beforeReset(bdf);
      return undefined;
    });
    host.hooks.guestResumed.tap((_guest, devices) => running?.resumed(devices.map(({ bdf }) => bdf)));
    host.hooks.deviceReturned.tap(async () => running?.returned());
  },
});
