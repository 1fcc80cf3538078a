// SPDX-License-Identifier: MIT

import { type Bdf, parseBdf } from '../bdf.ts';
import { fail, isPcibackError } from '../errors/index.ts';
import type { StoreView, Xenstore } from '../platform/index.ts';

/** States of either end, as their `state` nodes hold them. */
export const XenbusState = {
  unknown: 0,
  initialising: 1,
  initWait: 2,
  initialised: 3,
  connected: 4,
  closing: 5,
  closed: 6,
  reconfiguring: 7,
  reconfigured: 8,
} as const;

/** What a front end does next because of a state of the back end that the toolstack asked for: it need not wait. */
export const expectedNext: Readonly<Record<number, number>> = {
  [XenbusState.reconfiguring]: XenbusState.reconfiguring,
  [XenbusState.reconfigured]: XenbusState.connected,
  [XenbusState.closing]: XenbusState.closed,
};

const stateNames = [
  'Unknown',
  'Initialising',
  'InitWait',
  'Initialised',
  'Connected',
  'Closing',
  'Closed',
  'Reconfiguring',
  'Reconfigured',
];

export const stateName = (state: number): string => stateNames[state] ?? `state ${state}`;

/** Longest value that is looked at in a node a guest may write. */
const LONGEST_VALUE = 16;

/** A decimal number of 32 bits, or `undefined`; nothing else is accepted from a guest. */
export const decimal = (text: string | undefined): number | undefined => {
  if (text === undefined || text.length > LONGEST_VALUE || !/^\d+$/.test(text)) return undefined;
  const value = Number.parseInt(text, 10);
  return value <= 0xffffffff ? value : undefined;
};

/** A `state` node: anything that is not one of its numbers counts as Unknown. */
export const readState = async (view: StoreView, directory: string): Promise<number> => {
  const value = decimal(await view.read(`${directory}/state`));
  return value !== undefined && value < stateNames.length ? value : XenbusState.unknown;
};

/** A `dev-N` node. @throws PcibackError `STORE_REFUSED` naming it. */
export const requireBdf = async (view: StoreView, path: string): Promise<Bdf> => {
  const text = await view.read(path);
  if (text === undefined) return fail('STORE_REFUSED', { operation: 'read', path, error: 'the node is missing' });
  try {
    return parseBdf(text);
  } catch (error) {
    if (!isPcibackError(error)) throw error;
    return fail('STORE_REFUSED', { operation: 'read', path, error: error.message }, error);
  }
};

/**
 * Runs a change of a back end's directory in a transaction, and only while the directory is the one that this back end
 * serves: one that is gone is not made anew, and one in state Initialising is new and belongs to the next back end.
 *
 * @throws PcibackError `STORE_REFUSED` when it is not; nothing is written then
 */
export const changeDirectory = <T>(
  xenstore: Xenstore,
  directory: string,
  work: (view: StoreView) => Promise<T>,
): Promise<T> =>
  xenstore.transaction(async (view) => {
    const path = `${directory}/state`;
    const state = await view.read(path);
    if (state === undefined || decimal(state) === XenbusState.initialising) {
      fail('STORE_REFUSED', { operation: 'write', path: directory, error: 'the directory is not served any more' });
    }
    return work(view);
  });

/** Directories of all guests' back ends below `root`, with the guests' domain ids. */
export const backEnds = async (view: StoreView, root: string): Promise<[domain: number, directory: string][]> => {
  const numbered = async (path: string): Promise<number[]> =>
    ((await view.list(path)) ?? []).map(decimal).filter((value): value is number => value !== undefined);
  const of = async (domain: number): Promise<[number, string][]> =>
    (await numbered(`${root}/${domain}`)).map((id) => [domain, `${root}/${domain}/${id}`]);
  return (await Promise.all((await numbered(root)).map(of))).flat();
};
