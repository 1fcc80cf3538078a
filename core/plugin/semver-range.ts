// SPDX-License-Identifier: MIT

import satisfies from 'semver/functions/satisfies.js';
import validRange from 'semver/ranges/valid.js';

/** Whether a version, or the one that it leads to, lies in a range; `undefined`: the range is none. */
export const inAnyRange = (version: string, range: string): boolean | undefined =>
  validRange(range) === null ? undefined : satisfies(version, range, { includePrerelease: true });
