// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { nearest } from '../../core/errors/nearest.ts';
import { fail } from '../errors.ts';
import type { GuestDoor } from '../guest-door.ts';
import { type OperationsOf, operation, type PartContext } from '../kinds/part.ts';

/** Of the part with the platform's name. @throws PcibackError `USAGE` where the toolstack makes guests */
const doorOf = ({ part, engine }: PartContext): GuestDoor => {
  const { name } = engine.platform;
  const door = part(name) as GuestDoor | undefined;
  if (door !== undefined) return door;
  const what = `on platform ${name} the toolstack gives devices: use xl pci-attach and xl pci-detach, or mode stand-alone`;
  return fail('USAGE', { what, nearest: undefined });
};

export const operations = {
  attach: operation({
    about:
      'Gives a device to a guest: at a socket of its own on platform vfio-user, to one in this process on embedded, to a domain on xen in mode stand-alone.',
    asks: z.strictObject({
      name: z.string().min(1).max(64).describe('What the guest is called in records and in the log.'),
      bdf: z.string().describe('Address of the device.'),
      socket: z
        .string()
        .startsWith('/')
        .max(107)
        .optional()
        .describe('Absolute path of the socket; needed on vfio-user, and only there.'),
      permissive: z.boolean().optional().describe('As permissive=1 of a guest’s file; not on vfio-user.'),
      slot: z
        .int()
        .min(0)
        .max(0xff)
        .optional()
        .describe('The slot that is asked for in the guest, as a devfn; not on vfio-user.'),
    }),
    answer: async ({ name, bdf, socket, permissive, slot }, context) => {
      const address = parseBdf(bdf);
      const place = await doorOf(context).attach({ name, bdf: address, path: socket, permissive, slot });
      return { name, bdf: formatBdf(address), ...place };
    },
  }),
  detach: operation({
    about:
      'Takes devices from a guest that was attached, which come back; a guest of embedded without a device named ends.',
    asks: z.strictObject({
      name: z
        .string()
        .describe(
          'As it was attached; sockets of the rc file are called as their file, domains as in xl list, or by number.',
        ),
      bdf: z.string().optional().describe('Address of one device; missing: all of this guest.'),
    }),
    answer: async ({ name, bdf }, context) => {
      const door = doorOf(context);
      const known = door.names();
      const found = await door.detach(name, bdf === undefined ? undefined : parseBdf(bdf));
      if (found.length > 0) return { name, devices: found.map(formatBdf) };
      const what = bdf === undefined ? 'nothing' : `no ${formatBdf(parseBdf(bdf))}`;
      return fail('USAGE', { what: `${what} is attached as "${name}"`, nearest: nearest(name, known) });
    },
  }),
};

export type AttachOperations = OperationsOf<typeof operations>;
