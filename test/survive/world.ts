// SPDX-License-Identifier: MIT

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bdf } from '../../core/bdf.ts';
import type { NativeLoader } from '../../plugins/kinds/native.ts';
import type { DeviceImage } from '../../plugins/platforms/embedded/image.ts';
import { sample } from '../../plugins/platforms/embedded/samples.ts';
import { SeededRandom } from '../kit/seeded-random.ts';
import { AskingGuest, DATA_WINDOW, QUIRK_REGISTER } from './asking-guest.ts';
import { createHost, type Host } from './host.ts';
import type { Killer } from './killer.ts';

/** A network controller with one more register, which no field has. */
const withQuirkRegister = (): DeviceImage => {
  const image = sample('e1000e');
  return { ...image, writable: [...(image.writable ?? []), { offset: QUIRK_REGISTER, size: 4, mask: 0xffff_ffff }] };
};

/** One device for each guest, and one that comes and goes. */
const devices = [withQuirkRegister(), sample('nvme'), sample('tg3'), sample('igb')] as const;
const spare = sample('nvme', 1);

const quirk = {
  name: 'survive/register',
  source: 'a register of the test',
  match: [{ vendor: '8086', device: '10d3' }],
  fields: [{ offset: QUIRK_REGISTER.toString(16), width: 32, name: 'survive', writable: 'ffffffff' }],
};

export interface WorldTerms {
  readonly native: NativeLoader;
  readonly killer: Killer;
  readonly seed: number;
  readonly stretch: number;
  /** The file of platform `remote`. */
  readonly plugin: string;
  readonly answered: (guest: AskingGuest) => void;
}

/** A host with its guests, and the files that a process needs to serve them. */
export interface World {
  readonly host: Host;
  readonly rcFile: string;
  readonly socket: string;
  readonly quirkFile: string;
  readonly quirkName: string;
  /** The device that comes and goes. */
  readonly spare: Bdf;
  /** Values of the data window that were written more than once. */
  again(): number;
  /** Boots the guests; somebody has to serve them. */
  boot(): Promise<readonly AskingGuest[]>;
}

export const createWorld = async (terms: WorldTerms): Promise<World> => {
  const { native, killer, seed, stretch, plugin, answered } = terms;
  const guests: AskingGuest[] = [];
  const windows = new Map<number, number>();
  const host = await createHost({
    native,
    devices: [...devices, spare],
    resetMs: 3,
    stretch,
    storeGuard: (_type, stage) => killer.guard(stage),
    guard: ({ call, args }, stage) => {
      if (stage === 'after' && call === 'write') {
        const [address, offset, , value] = args as readonly [Bdf, number, number, number];
        guests.find(({ model }) => model.bdf === address)?.written(offset);
        if (address === devices[2].bdf && offset === DATA_WINDOW) windows.set(value, (windows.get(value) ?? 0) + 1);
      }
      return killer.guard(stage);
    },
  });
  const file = (name: string, content: unknown): string => {
    const path = join(host.folder, name);
    writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
    return path;
  };
  const socket = join(host.folder, 'control');
  // As on Xen, where a process that stands by has rehearsed a take-over.
  const rcFile = file('pciback.config.json', {
    platform: 'remote',
    plugins: [plugin, 'rehearsal'],
    remote: { folder: host.folder },
    control: socket,
    journal: join(host.folder, 'journal'),
    fields: 'full',
  });
  return {
    host,
    rcFile,
    socket,
    quirkFile: file('quirk.json', quirk),
    quirkName: quirk.name,
    spare: spare.bdf,
    again: () => [...windows.values()].filter((times) => times > 1).length,
    boot: async () => {
      const { platform } = host;
      for (const [index, { bdf }] of devices.entries()) {
        const domain = await platform.toolstack.create({ name: `guest-${index + 1}`, devices: [bdf] });
        const guest = await platform.startGuest({ domain });
        await guest.reached(4);
        const random = new SeededRandom(seed * 16 + index);
        guests.push(new AskingGuest({ name: `guest-${index + 1}`, platform, guest, bdf, random, answered }));
      }
      return guests;
    },
  };
};
