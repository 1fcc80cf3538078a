// SPDX-License-Identifier: MIT

import { chmod, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { z } from 'zod';
import { type Bdf, formatBdf, parseBdf } from '../../../core/bdf.ts';
import type { Logger } from '../../../core/log.ts';
import type { Engine } from '../../../core/pciback.ts';
import { fail } from '../../errors.ts';
import { guestBudgets } from '../../guest-budgets.ts';
import type { NativeLoader } from '../../kinds/native.ts';
import { Door, MAX_POSTS } from './door.ts';
import { Interrupt } from './messages.ts';
import { PLATFORM } from './platform.ts';
import { Post } from './post.ts';
import type { vfioUserSection } from './section.ts';
import { Sockets } from './sockets.ts';

export { PLATFORM, vfioUserPlatform } from './platform.ts';

export interface DoorSettings {
  readonly engine: Engine;
  readonly log: Logger;
  readonly native: NativeLoader;
  readonly options: z.output<typeof vfioUserSection>;
  /** Absolute; paths of the options count from here. */
  readonly directory: string;
}

/** The sockets that are open, and how to open more. */
export interface RunningDoor {
  readonly posts: readonly Post[];
  /** Offers a device at one more socket. @throws PcibackError `DEVICE_NOT_FOUND`, `PLATFORM_UNAVAILABLE`; HostError */
  offer(bdf: Bdf, path: string): Promise<void>;
  /** The device was cut off from its client, which is told by its descriptor for errors, if it gave one. */
  reportError(bdf: Bdf): void;
  close(): Promise<void>;
}

/** Base class of bridges. */
const BRIDGE = 0x06;

/** Paths by address: those that were named, then one in the folder for each other endpoint. */
const placesOf = async ({ engine, options, directory }: DoorSettings): Promise<Map<Bdf, string>> => {
  const places = new Map<Bdf, string>();
  for (const [text, path] of Object.entries(options.sockets)) places.set(parseBdf(text), resolve(directory, path));
  if (options.folder === undefined) return places;
  const folder = resolve(directory, options.folder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const one of await engine.platform.pci.list()) {
    if (one.class >> 16 === BRIDGE || places.has(one.bdf)) continue;
    places.set(one.bdf, join(folder, `${formatBdf(one.bdf)}.sock`));
  }
  return places;
};

/**
 * Opens the sockets of the section.
 *
 * @throws PcibackError `BDF_SYNTAX`, `DEVICE_NOT_FOUND`, `PLATFORM_UNAVAILABLE`, `NATIVE_LIBRARY_MISSING`; HostError. No
 * socket is left then
 */
export const openDoor = async (settings: DoorSettings): Promise<RunningDoor> => {
  const { engine, log, native, options } = settings;
  const sockets = new Sockets(native);
  const door = new Door(sockets, log);
  const budgets = guestBudgets(log, engine.platform.clock);
  let offered = 0;
  const offer = async (bdf: Bdf, path: string): Promise<void> => {
    const listed = await engine.platform.pci.list();
    if (!listed.some((one) => one.bdf === bdf)) fail('DEVICE_NOT_FOUND', { bdf: formatBdf(bdf), platform: PLATFORM });
    if (door.posts.length >= MAX_POSTS) {
      fail('PLATFORM_UNAVAILABLE', {
        platform: PLATFORM,
        missing: `room for more than ${MAX_POSTS} sockets`,
        next: 'Start a second process for the others.',
      });
    }
    const memory = options.memoryMiB * 2 ** 20;
    const domain = ++offered;
    const post = await Post.open({
      engine,
      sockets,
      log,
      bdf,
      path,
      domain,
      budget: budgets.of(domain),
      memory,
      wake: door.wake,
    });
    // Whoever may talk to it has the device: this user alone.
    await chmod(path, 0o600);
    door.add(post);
    log.info({ bdf: formatBdf(bdf), path }, 'device offered');
  };
  try {
    for (const [bdf, path] of await placesOf(settings)) await offer(bdf, path);
  } catch (error) {
    await door.close();
    throw error;
  }
  return {
    posts: door.posts,
    offer,
    reportError: (bdf) => {
      for (const post of door.posts) if (post.bdf === bdf) post.client?.raise(Interrupt.error, 0);
    },
    close: () => door.close(),
  };
};
