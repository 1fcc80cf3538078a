// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { formatBdf, parseBdf } from '../../../core/bdf.ts';
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
};

export type VfioUserOperations = OperationsOf<typeof operations>;
