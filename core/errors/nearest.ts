// SPDX-License-Identifier: MIT

import { closest, distance } from 'fastest-levenshtein';

/** The known name that was probably meant; `undefined` when none is near enough to be more help than noise. */
export const nearest = (name: string, known: readonly string[]): string | undefined => {
  if (known.length === 0) return undefined;
  const found = closest(name, [...known]);
  return distance(name, found) <= Math.max(2, Math.ceil(name.length * 0.4)) ? found : undefined;
};
