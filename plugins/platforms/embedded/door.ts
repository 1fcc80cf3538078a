// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import type { Engine } from '../../../core/pciback.ts';
import { SerialQueue } from '../../../core/serial-queue.ts';
import { within } from '../../../core/wall/wall.ts';
import { fail } from '../../errors.ts';
import type { AttachAsked, Attached, GuestDoor } from '../../guest-door.ts';
import { type IncludedGuest, XenbusState } from './guest.ts';
import type { EmbeddedPlatform } from './index.ts';
import type { PlugOptions } from './toolstack.ts';

/** Milliseconds a guest may take until its drivers are ready; it takes some tens. */
const PATIENCE = 8000;
/** Milliseconds between two looks whether a guest that had no device has one. */
const LOOK = 20;

const refuse = (what: string): never => fail('USAGE', { what, nearest: undefined });

/** Plays `xl create`, `pci-attach`, `pci-detach` and `destroy`, with guests in this process. */
export const embeddedDoor = (engine: Engine): GuestDoor => {
  const platform = engine.platform as EmbeddedPlatform;
  const { toolstack, clock } = platform;
  const changes = new SerialQueue();
  /** Guests that were made here, by name. One that was made elsewhere is known as long as it has a device. */
  const made = new Map<string, IncludedGuest>();
  const domainOf = (name: string): number | undefined =>
    made.get(name)?.domain ?? engine.guests().find((one) => one.name === name)?.domain;

  const create = async (name: string, bdf: Bdf, options: PlugOptions): Promise<void> => {
    const domain = await toolstack.create({ name });
    try {
      await toolstack.attach(domain, bdf, options);
    } catch (error) {
      await toolstack.destroy(domain);
      throw error;
    }
    const guest = await platform.startGuest({ domain });
    made.set(name, guest);
    const closed = guest.reached(XenbusState.closed).then(() => 'closed' as const);
    const end = await within(clock, PATIENCE, Promise.race([guest.reached(XenbusState.connected), closed]));
    if (end !== 'closed') {
      // It ends some time, which is nobody's concern then.
      closed.catch(() => undefined);
      return;
    }
    made.delete(name);
    await toolstack.destroy(domain);
  };

  const attach = async ({ name, bdf, path, permissive, slot }: AttachAsked): Promise<Attached> => {
    if (path !== undefined) refuse('platform embedded has no sockets: leave --socket out');
    const device = await engine.stub.seize(bdf);
    const domain = domainOf(name);
    if (device.assignment !== undefined && device.assignment.tenant.domain === domain)
      refuse(`guest "${name}" has ${formatBdf(bdf)} already`);
    if (domain === undefined) await create(name, bdf, { permissive, slot });
    else await toolstack.attach(domain, bdf, { permissive, slot });
    // The toolstack does not wait for a guest that had none.
    const end = clock.now() + PATIENCE;
    while (engine.guestOf(device)?.report().state !== 'Connected' && clock.now() < end)
      await new Promise<void>((resolve) => void clock.after(LOOK, resolve));
    const guest = engine.guestOf(device);
    const vdev = guest?.vdevOf(device);
    if (guest === undefined || vdev === undefined)
      return refuse(`guest "${name}" did not get ${formatBdf(bdf)}: the log of the running pciback says why`);
    return { domain: guest.guest.domain, vdev: formatBdf(vdev) };
  };

  const detach = async (name: string, bdf?: Bdf): Promise<readonly Bdf[]> => {
    const domain = domainOf(name);
    const devices = domain === undefined ? [] : await toolstack.devices(domain);
    if (domain === undefined || (bdf !== undefined && !devices.includes(bdf))) return [];
    if (bdf !== undefined) {
      await toolstack.detach(domain, bdf);
      return [bdf];
    }
    await made.get(name)?.stop();
    made.delete(name);
    await toolstack.destroy(domain);
    return devices;
  };

  return {
    attach: (asked) => changes.run(() => attach(asked)),
    detach: (name, bdf) => changes.run(() => detach(name, bdf)),
    names: () => [...new Set([...made.keys(), ...engine.guests().map((one) => one.name)])],
  };
};
