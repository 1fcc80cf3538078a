// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../core/bdf.ts';
import { nearest } from '../../core/errors/nearest.ts';
import { type DevicePattern, type FunctionFacts, parseDevicePatterns } from '../device-pattern.ts';
import { fail } from '../errors.ts';

/** @throws PcibackError `PATTERN_SYNTAX`, `BDF_RANGE` */
export const parseAll = (texts: readonly string[]): readonly DevicePattern[] => texts.flatMap(parseDevicePatterns);

/**
 * The functions that patterns mean, each once, in the order of the patterns.
 *
 * @param where who has the functions, for the message
 * @throws PcibackError `PATTERN_NOTHING` for a pattern that means none
 */
export const meant = (
  patterns: readonly DevicePattern[],
  functions: readonly FunctionFacts[],
  where: string,
): readonly Bdf[] => {
  const found = patterns.flatMap((pattern) => {
    const ofPattern = functions.filter((one) => pattern.means(one)).map(({ bdf }) => bdf);
    if (ofPattern.length > 0) return ofPattern;
    const { text, kind, address } = pattern;
    const isThere = functions.some(({ bdf }) => bdf === address);
    const known = kind === 'address' && !isThere ? functions.map(({ bdf }) => formatBdf(bdf)) : [];
    const written = address === undefined ? text : formatBdf(address);
    return fail('PATTERN_NOTHING', { text, where, nearest: nearest(written, known) });
  });
  return [...new Set(found)];
};
