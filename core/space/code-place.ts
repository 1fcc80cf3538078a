// SPDX-License-Identifier: MIT

import type { Place } from '../wall/wall.ts';

const SEPARATOR = ': ';

/**
 * The place of code that a table names.
 *
 * @param owner `plugin: set`, or `plugin: set / register`
 * @param member of the set, the register or its behaviour
 */
export const codePlace = (owner: string, member: string, at: Pick<Place, 'device' | 'guest' | 'offset'>): Place => {
  const [plugin = '', ...thing] = owner.split(SEPARATOR);
  const what = thing.length === 0 ? member : `${member} of ${thing.join(SEPARATOR)}`;
  return { plugin, what, ...at, refusals: ['HOST'] };
};
