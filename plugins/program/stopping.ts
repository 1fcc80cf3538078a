// SPDX-License-Identifier: MIT

import { formatBdf } from '../../core/bdf.ts';
import { fail } from '../../core/errors/index.ts';
import type { Ledger, Pciback } from '../../core/pciback.ts';
import { systemClock, within } from '../../core/wall/wall.ts';

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

/**
 * Stops the engine and closes its platform.
 *
 * @param seconds after which what is not given back is left
 * @throws PcibackError `STOP_INCOMPLETE` naming what was not given back, and by which step
 */
export const stopWithin = async (engine: Pciback, seconds: number, close: () => Promise<void>): Promise<Ledger> => {
  let step = 'the parts and guests';
  const late = Symbol('late');
  const limited = async <Answer>(work: Promise<Answer>, milliseconds: number): Promise<Answer | typeof late> => {
    let isDone = false;
    const watched = work.finally(() => {
      isDone = true;
    });
    try {
      return await within(systemClock, milliseconds, watched);
    } catch (error) {
      // Its own error is one that came in time.
      if (isDone) throw error;
      return late;
    }
  };
  const ledger = await limited(engine.stop(), seconds * 1000);
  // Asked before the platform is closed, which ends some of it.
  const left = whatIsLeft(engine);
  if (ledger !== late) step = 'the platform';
  const closed = await limited(close(), CLOSING);
  if (ledger === late || closed === late) return fail('STOP_INCOMPLETE', { step, left });
  return ledger;
};
