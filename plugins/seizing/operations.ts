// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { type Bdf, formatBdf } from '../../core/bdf.ts';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import { HostError } from '../../core/platform/index.ts';
import { factsOf, factsOfSeized } from '../function-facts.ts';
import { type OperationsOf, operation, type PartContext } from '../kinds/part.ts';
import { allowances, type Consent } from './consent.ts';
import { meant, parseAll } from './meant.ts';

/** What the part `seizing` offers to its own operations. */
export interface SeizingOffers {
  readonly consent: Consent;
}

/** What became of one function. */
export interface Seizing {
  readonly bdf: string;
  readonly state: 'seized' | 'seized already' | 'released' | 'refused';
  /** Who had it before: a driver, `free`, `seizable`, or `pciback`. */
  readonly before: string;
  /** Who has it now. */
  readonly now: string;
  /** Of one that is refused: why, and the next step. */
  readonly why?: string;
  readonly next?: string;
  /** What its guest is to know: what it shares with others, why no guest gets it. */
  readonly notes?: readonly string[];
}

const patterns = () =>
  z.array(z.string()).min(1).describe('What names functions, in any form of docs/reference/device-patterns.md.');

const consentOf = (context: PartContext): Consent => (context.part('seizing') as SeizingOffers).consent;

const holders = async ({ engine }: PartContext): Promise<ReadonlyMap<Bdf, string>> =>
  new Map((await engine.platform.pci.list()).map(({ bdf, holder }) => [bdf, holder]));

/** What is refused is that of one function; the others go on. */
const unlessRefused = async (
  work: () => Promise<Seizing['state']>,
): Promise<Pick<Seizing, 'state' | 'why' | 'next'>> => {
  try {
    return { state: await work() };
  } catch (error) {
    if (!isPcibackError(error) && !(error instanceof HostError)) throw error;
    const next = isPcibackError(error) ? { next: error.solve } : {};
    return { state: 'refused', why: describeError(error), ...next };
  }
};

/** Does `work` for one function after the other: resets of functions of one bus are in each other's way. */
const each = async (
  context: PartContext,
  addresses: readonly Bdf[],
  work: (address: Bdf) => Promise<Seizing['state']>,
  notesOf: (address: Bdf) => Promise<readonly string[]> = async () => [],
): Promise<readonly Seizing[]> => {
  const before = await holders(context);
  const done: (readonly [Bdf, Pick<Seizing, 'state' | 'why' | 'next'>])[] = [];
  for (const address of addresses) done.push([address, await unlessRefused(() => work(address))]);
  const now = await holders(context);
  const rows = done.map(async ([address, outcome]): Promise<Seizing> => {
    const holderIn = (all: ReadonlyMap<Bdf, string>): string => all.get(address) ?? 'not there';
    const notes = outcome.state === 'refused' ? [] : await notesOf(address);
    const bdf = formatBdf(address);
    return { bdf, ...outcome, before: holderIn(before), now: holderIn(now), ...(notes.length === 0 ? {} : { notes }) };
  });
  return Promise.all(rows);
};

export const operations = {
  seize: operation({
    about:
      'Takes functions from the host: each is reset and held, for guests to come; what is refused is said of each.',
    asks: z.strictObject({
      patterns: patterns(),
      allow: z
        .array(z.enum(allowances))
        .optional()
        .describe('What is allowed for them until they are released, as `allowInUse` and `allowSharedPages`.'),
    }),
    answer: async ({ patterns: texts, allow }, context): Promise<{ readonly devices: readonly Seizing[] }> => {
      const { stub, platform } = context.engine;
      const wanted = parseAll(texts);
      const functions = await factsOf(platform, await platform.pci.list(), wanted);
      const addresses = meant(wanted, functions, `platform ${platform.name}`);
      const consent = consentOf(context);
      const held = new Set(stub.devices.map(({ bdf }) => bdf));
      const seize = async (address: Bdf): Promise<Seizing['state']> => {
        if (allow !== undefined) consent.allow(address, allow);
        try {
          await stub.seize(address);
          return held.has(address) ? 'seized already' : 'seized';
        } catch (error) {
          consent.forget(address);
          throw error;
        }
      };
      const notes = async (address: Bdf): Promise<readonly string[]> => {
        const why = stub.devices.find(({ bdf }) => bdf === address)?.quarantine;
        return [...(why === undefined ? [] : [`no guest gets it: ${why}`]), ...(await consent.sharesOf(address))];
      };
      return { devices: await each(context, addresses, seize, notes) };
    },
  }),
  release: operation({
    about: 'Gives functions back to the host, whose driver finds them as they were; one that a guest has is refused.',
    asks: z.strictObject({ patterns: patterns() }),
    answer: async ({ patterns: texts }, context): Promise<{ readonly devices: readonly Seizing[] }> => {
      const { stub } = context.engine;
      const addresses = meant(parseAll(texts), stub.devices.map(factsOfSeized), 'what is seized');
      const release = async (address: Bdf): Promise<Seizing['state']> => {
        await stub.release(address);
        return 'released';
      };
      return { devices: await each(context, addresses, release) };
    },
  }),
};

export type SeizingOperations = OperationsOf<typeof operations>;
