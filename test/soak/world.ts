// SPDX-License-Identifier: MIT

import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bdf, formatBdf } from '../../core/bdf.ts';
import type { NativeLoader } from '../../plugins/kinds/native.ts';
import type { DeviceImage } from '../../plugins/platforms/embedded/image.ts';
import { sample } from '../../plugins/platforms/embedded/samples.ts';
import { SeededRandom } from '../kit/seeded-random.ts';
import { AskingGuest, QUIRK_REGISTER } from '../survive/asking-guest.ts';
import { createHost, type Host } from '../survive/host.ts';

/** A network controller with one more register, which no field has. */
const withQuirkRegister = (): DeviceImage => {
  const image = sample('e1000e');
  return { ...image, writable: [...(image.writable ?? []), { offset: QUIRK_REGISTER, size: 4, mask: 0xffff_ffff }] };
};

/** One device for each guest that asks without pause. */
const askingDevices = [withQuirkRegister(), sample('nvme'), sample('tg3'), sample('igb')] as const;
/** One that comes and goes. */
const spare = sample('nvme', 1);
/** Those of guests that come and go, and to which everything happens. */
const visitorDevices = [sample('igb', 2), sample('nvme', 2), sample('igb', 3), sample('rtl8139', 3)] as const;

const quirkOf = (name: string, device: string) => ({
  name,
  source: 'a register of the soak',
  match: [{ vendor: '8086', device }],
  fields: [{ offset: QUIRK_REGISTER.toString(16), width: 32, name: 'soak', writable: 'ffffffff' }],
});

/**
 * Seconds that code of plugins, a reset and the store get here, so that what hangs is given up soon. One of them is longer than a process
 * that is upgraded waits for what it is doing.
 */
const deadlines = { reset: 1, resetDevice: 1, deviceAssigned: 7, deviceReturned: 1, store: 20 };

export interface WorldTerms {
  readonly native: NativeLoader;
  readonly seed: number;
  /** How many times longer guests and toolstack wait than they would. */
  readonly stretch: number;
  /** Files of platform `remote`, and of the plugin that misbehaves. */
  readonly plugin: string;
  readonly tester: string;
}

/** What a plugin does, from its next hook on. */
export type Mood = 'nothing' | 'throws' | 'hangs' | 'blocks';

export interface World {
  readonly host: Host;
  readonly rcFile: string;
  readonly socket: string;
  /** What can be made a file system of its own; the journal is in it. */
  readonly disk: string;
  readonly journal: string;
  /** A quirk for the first guest that asks. */
  readonly quirk: { readonly file: string; readonly name: string };
  /** A quirk that the rc file may name. */
  readonly rcQuirk: { readonly file: string; readonly name: string };
  readonly spare: Bdf;
  readonly visitors: readonly Bdf[];
  /** How the store is: what it waits for before each answer. */
  store: () => Promise<void> | undefined;
  /** Writes the rc file; `more` goes over what it says. */
  writeRc(more?: Readonly<Record<string, unknown>>): void;
  /** Writes something that is no rc file. */
  breakRc(): void;
  /** What the plugin does when hooks are called for the device. */
  mood(does: Mood, device: Bdf): void;
  boot(answered: () => void, watch: () => () => boolean): Promise<readonly AskingGuest[]>;
}

export const createWorld = async (terms: WorldTerms): Promise<World> => {
  const { native, seed, stretch, plugin, tester } = terms;
  const asking: AskingGuest[] = [];
  const moods = new Map<string, Mood>();
  const host = await createHost({
    native,
    devices: [...askingDevices, spare, ...visitorDevices],
    resetMs: 3,
    stretch,
    storeWait: () => world.store(),
    guard: ({ call, args }, stage) => {
      if (stage === 'after' && call === 'write') {
        const [address, offset] = args as readonly [Bdf, number];
        asking.find(({ model }) => model.bdf === address)?.written(offset);
      }
      return 'go on';
    },
  });
  const place = (name: string): string => join(host.folder, name);
  /** As a whole: whoever reads it meanwhile sees the old one or the new one. */
  const write = (name: string, text: string): string => {
    writeFileSync(place(`${name}.new`), text, { mode: 0o600 });
    renameSync(place(`${name}.new`), place(name));
    return place(name);
  };
  const [disk, moodFile, socket] = [place('disk'), place('mood'), place('control')];
  const journal = join(disk, 'journal');
  mkdirSync(disk, { mode: 0o700 });
  const quirk = quirkOf('soak/register', '10d3');
  const rcQuirk = quirkOf('soak/rc', '10c9');
  const world: World = {
    host,
    rcFile: place('pciback.config.json'),
    socket,
    disk,
    journal,
    quirk: { name: quirk.name, file: write('quirk.json', JSON.stringify(quirk)) },
    rcQuirk: { name: rcQuirk.name, file: write('rc-quirk.json', JSON.stringify(rcQuirk)) },
    spare: spare.bdf,
    visitors: visitorDevices.map(({ bdf }) => bdf),
    store: () => undefined,
    writeRc: (more = {}) => {
      const said = {
        platform: 'remote',
        plugins: [plugin, [tester, { mood: moodFile }]],
        remote: { folder: host.folder },
        control: socket,
        journal,
        fields: 'full',
        shutdownSeconds: 5,
        deadlines,
        ...more,
      };
      write('pciback.config.json', JSON.stringify(said));
    },
    breakRc: () => void write('pciback.config.json', '{ "platform": '),
    mood: (does, device) => {
      moods.set(formatBdf(device), does);
      write('mood', JSON.stringify(Object.fromEntries(moods)));
    },
    boot: async (answered, watch) => {
      const { platform } = host;
      for (const [index, { bdf }] of askingDevices.entries()) {
        const domain = await platform.toolstack.create({ name: `guest-${index + 1}`, devices: [bdf] });
        const guest = await platform.startGuest({ domain });
        await guest.reached(4);
        const random = new SeededRandom(seed * 16 + index);
        const name = `guest-${index + 1}`;
        asking.push(new AskingGuest({ name, platform, guest, bdf, random, answered, watch }));
      }
      return asking;
    },
  };
  world.writeRc();
  for (const { bdf } of visitorDevices) world.mood('nothing', bdf);
  return world;
};
