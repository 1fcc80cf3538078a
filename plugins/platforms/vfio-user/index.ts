// SPDX-License-Identifier: MIT

import { chmod, mkdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { z } from 'zod';
import { type Bdf, formatBdf, parseBdf } from '../../../core/bdf.ts';
import type { Logger } from '../../../core/log.ts';
import type { Engine } from '../../../core/pciback.ts';
import { SerialQueue } from '../../../core/serial-queue.ts';
import { isBridgeClass } from '../../bridges.ts';
import { fail } from '../../errors.ts';
import { guestBudgets } from '../../guest-budgets.ts';
import type { AttachAsked, Attached, GuestDoor } from '../../guest-door.ts';
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
export interface RunningDoor extends GuestDoor {
  readonly posts: readonly Post[];
  /**
   * Offers a device to a guest of that name, at a socket of its own.
   *
   * @throws PcibackError `DEVICE_NOT_FOUND`, `USAGE` when it is offered already or no socket is named, `PLATFORM_UNAVAILABLE`;
   * HostError
   */
  attach(asked: AttachAsked): Promise<Attached>;
  /** The device was cut off from its client, which is told by its descriptor for errors, if it gave one. */
  reportError(bdf: Bdf): void;
  close(): Promise<void>;
}

/** Where a device is offered, and what the guest there is called. */
export interface Place {
  readonly name: string;
  readonly bdf: Bdf;
  readonly path: string;
}

/** Those that were named, then one in the folder for each other endpoint. A guest is called as its socket. */
const placesOf = async ({ engine, options, directory }: DoorSettings): Promise<readonly Place[]> => {
  const places = new Map<Bdf, string>();
  for (const [text, path] of Object.entries(options.sockets)) places.set(parseBdf(text), resolve(directory, path));
  const named = (): readonly Place[] =>
    [...places].map(([bdf, path]) => ({ name: basename(path).replace(/\.sock$/, ''), bdf, path }));
  if (options.folder === undefined) return named();
  const folder = resolve(directory, options.folder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const one of await engine.platform.pci.list()) {
    if (isBridgeClass(one.class) || places.has(one.bdf)) continue;
    places.set(one.bdf, join(folder, `${formatBdf(one.bdf)}.sock`));
  }
  return named();
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
  /** Whether a device is offered already is asked, and it is offered, without another one in between. */
  const changes = new SerialQueue();
  const attach = async ({ name, bdf, path }: Place): Promise<void> => {
    const listed = await engine.platform.pci.list();
    if (!listed.some((one) => one.bdf === bdf)) fail('DEVICE_NOT_FOUND', { bdf: formatBdf(bdf), platform: PLATFORM });
    const other = door.posts.find((one) => one.bdf === bdf);
    if (other !== undefined) {
      const what = `${formatBdf(bdf)} is attached already, as ${other.name} at ${other.path}; detach it there first`;
      fail('USAGE', { what, nearest: undefined });
    }
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
      name,
      domain,
      budget: budgets.of(domain),
      memory,
      wake: door.wake,
    });
    // Whoever may talk to it has the device: this user alone.
    await chmod(path, 0o600);
    door.add(post);
    log.info({ bdf: formatBdf(bdf), name, path }, 'device offered');
  };
  const detach = async (name: string, bdf?: Bdf): Promise<readonly Bdf[]> => {
    const found = door.posts.filter((one) => one.name === name && (bdf === undefined || one.bdf === bdf));
    await Promise.all(found.map((one) => door.remove(one)));
    for (const one of found) log.info({ bdf: formatBdf(one.bdf), name, path: one.path }, 'device offered no longer');
    return found.map((one) => one.bdf);
  };
  try {
    for (const place of await placesOf(settings)) await attach(place);
  } catch (error) {
    await door.close();
    throw error;
  }
  return {
    posts: door.posts,
    attach: async ({ name, bdf, path, permissive, slot }) => {
      const refuse = (what: string): never => fail('USAGE', { what, nearest: undefined });
      if (permissive !== undefined) refuse(`on platform ${PLATFORM} permissive is what the rc file says`);
      if (slot !== undefined) refuse(`on platform ${PLATFORM} the client says which slot it is`);
      if (path === undefined) return refuse(`attach needs --socket: where ${formatBdf(bdf)} is to be offered`);
      await changes.run(() => attach({ name, bdf, path }));
      return { path };
    },
    detach: (name, bdf) => changes.run(() => detach(name, bdf)),
    names: () => door.posts.map(({ name }) => name),
    reportError: (bdf) => {
      for (const post of door.posts) if (post.bdf === bdf) post.client?.raise(Interrupt.error, 0);
    },
    close: () => door.close(),
  };
};
