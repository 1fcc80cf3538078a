// SPDX-License-Identifier: MIT

import { formatBdf } from '../../core/bdf.ts';
import type { PcibackError } from '../../core/errors/index.ts';
import type { Ledger, Pciback } from '../../core/pciback.ts';
import { systemClock, within } from '../../core/wall/wall.ts';
import { fail } from '../errors.ts';

/** What is held for guests now, in words; empty: nothing. */
export const whatIsLeft = (engine: Pciback): readonly string[] => {
  const { mapped, bound, pirqs } = engine.ledger();
  const counted = Object.entries({ 'mapped pages': mapped, 'bound channels': bound, PIRQs: pirqs });
  const assigned = engine.stub.devices.filter(({ assignment }) => assignment !== undefined);
  return [
    ...engine.guests().map(({ domain, name, state }) => `guest ${domain} (${name}, ${state})`),
    ...assigned.map(({ bdf, assignment }) => `${formatBdf(bdf)} of guest ${assignment?.tenant.domain}`),
    ...counted.flatMap(([what, count]) => (count === 0 ? [] : [`${count} ${what}`])),
  ];
};

/** Milliseconds that a platform gets to close its handles; they go with the process too. */
const CLOSING = 5000;

/** What an end needs beside the engine. */
export interface StopTerms {
  /** After which what is not given back is left. */
  readonly seconds: number;
  /** Closes the platform, and what is closed with it. */
  close(): Promise<void>;
  /** The request to the store that nobody answered; `undefined`: all were. */
  silence(): PcibackError | undefined;
}

const LATE = Symbol('late');

/** @returns {@link LATE} when it takes longer @throws what `work` rejects with in time */
const inTime = async <Answer>(work: Promise<Answer>, milliseconds: number): Promise<Answer | typeof LATE> => {
  let isDone = false;
  const watched = work.finally(() => {
    isDone = true;
  });
  try {
    return await within(systemClock, milliseconds, watched);
  } catch (error) {
    if (isDone) throw error;
    return LATE;
  }
};

/**
 * Stops the engine and closes its platform.
 *
 * @throws PcibackError `STOP_INCOMPLETE` naming what was not given back, and by which step
 */
export const stopWithin = async (engine: Pciback, { seconds, close, silence }: StopTerms): Promise<Ledger> => {
  const ledger = await inTime(engine.stop(), seconds * 1000);
  // Asked before the platform is closed, which ends some of it.
  const left = whatIsLeft(engine);
  const closed = await inTime(close(), CLOSING);
  if (ledger === LATE) return fail('STOP_INCOMPLETE', { step: 'the parts and guests', left });
  if (closed === LATE) return fail('STOP_INCOMPLETE', { step: 'the platform', left });
  const why = silence();
  if (why === undefined) return ledger;
  return fail('STOP_INCOMPLETE', { step: 'xenstore', left: ['the states of the guests in it', ...left] }, why);
};
