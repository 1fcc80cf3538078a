// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { formatBdf, parseBdf } from '../../../core/bdf.ts';
import { nearest } from '../../../core/errors/nearest.ts';
import { fail } from '../../errors.ts';
import { type OperationsOf, operation, type PartContext } from '../../kinds/part.ts';
import type { Client } from './client.ts';
import type { RunningDoor } from './index.ts';
import { Interrupt } from './messages.ts';

const kinds = { intx: Interrupt.intx, msi: Interrupt.msi, msix: Interrupt.msix } as const;
type Kind = keyof typeof kinds;
const isKind = (text: string): text is Kind => Object.hasOwn(kinds, text);
const nameOf = (index: number): Kind => (Object.keys(kinds) as Kind[]).find((one) => kinds[one] === index) ?? 'intx';

/** The part's own door. @throws PcibackError `USAGE` on another platform */
const doorOf = ({ part, engine }: PartContext): RunningDoor => {
  const door = part('vfio-user') as RunningDoor | undefined;
  if (door !== undefined) return door;
  return fail('USAGE', { what: `platform ${engine.platform.name} has no sockets for clients`, nearest: undefined });
};

/** @throws PcibackError `USAGE`, `BDF_SYNTAX` */
const clientAt = (context: PartContext, text: string): Client => {
  const bdf = parseBdf(text);
  const client = doorOf(context).posts.find((one) => one.bdf === bdf)?.client;
  return client ?? fail('USAGE', { what: `no client has ${formatBdf(bdf)}`, nearest: undefined });
};

export const operations = {
  clients: operation({
    about: 'The sockets of platform vfio-user, and what their clients did.',
    asks: z.strictObject({}),
    answer: (_asked, context) =>
      doorOf(context).posts.map(({ bdf, name, path, client }) => ({
        bdf: formatBdf(bdf),
        name,
        path,
        ...(client === undefined ? {} : { client: client.report }),
      })),
  }),
  'inject-interrupt': operation({
    about: 'Makes a device that a client of platform vfio-user has raise an interrupt.',
    asks: z.strictObject({
      bdf: z.string().describe('Address of the device.'),
      kind: z.string().optional().describe('intx, msi or msix; missing: the one that the client listens to.'),
      vector: z.int().min(0).max(2047).optional().describe('Missing: 0.'),
    }),
    answer: ({ bdf, kind, vector = 0 }, context) => {
      const client = clientAt(context, bdf);
      if (kind !== undefined && !isKind(kind)) {
        return fail('USAGE', { what: `"${kind}" is not intx, msi or msix`, nearest: undefined });
      }
      const index = kind === undefined ? client.listensTo : kinds[kind];
      return { kind: nameOf(index), vector, outcome: client.raise(index, vector) };
    },
  }),
  attach: operation({
    about: 'Offers a device of platform vfio-user to a guest, at a socket of its own.',
    asks: z.strictObject({
      name: z.string().min(1).max(64).describe('What the guest is called in records and in the log.'),
      bdf: z.string().describe('Address of the device.'),
      socket: z.string().startsWith('/').max(107).describe('Absolute path of the socket.'),
    }),
    answer: async ({ name, bdf, socket }, context) => {
      await doorOf(context).attach({ name, bdf: parseBdf(bdf), path: socket });
      return { name, bdf: formatBdf(parseBdf(bdf)), path: socket };
    },
  }),
  detach: operation({
    about: 'Takes devices from a guest of platform vfio-user: its sockets go, its clients end, the devices come back.',
    asks: z.strictObject({
      name: z.string().describe('As it was attached; sockets of the rc file are called as their file.'),
      bdf: z.string().optional().describe('Address of one device; missing: all of this guest.'),
    }),
    answer: async ({ name, bdf }, context) => {
      const door = doorOf(context);
      const known = door.posts.map((one) => one.name);
      const found = await door.detach(name, bdf === undefined ? undefined : parseBdf(bdf));
      if (found.length > 0) return { name, devices: found.map(formatBdf) };
      const what = bdf === undefined ? 'nothing' : `no ${formatBdf(parseBdf(bdf))}`;
      return fail('USAGE', { what: `${what} is attached as "${name}"`, nearest: nearest(name, known) });
    },
  }),
};

export type VfioUserOperations = OperationsOf<typeof operations>;
