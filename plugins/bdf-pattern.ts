// SPDX-License-Identifier: MIT

import { BDF_NUMBER, busOf, deviceOf, functionOf, inRange, segmentOf } from '../core/bdf.ts';
import type { AddressPattern } from '../core/config.ts';
import { fail } from '../core/errors/index.ts';

const N = BDF_NUMBER;
const pattern = new RegExp(`^\\s*(?:${N}:)?${N}:(?:${N}\\.(?:${N}|(\\*))|(\\*)\\.(\\*))\\s*$`);

/**
 * Parses an address in which function, or slot and function, may be `*`: `D:B:S.F`, `D:B:S.*`, `D:B:*.*`, each also without
 * `D:`.
 *
 * @throws PcibackError `BDF_SYNTAX` or `BDF_RANGE`.
 */
export const parseBdfPattern = (text: string): AddressPattern => {
  const match = pattern.exec(text);
  if (!match) return fail('BDF_SYNTAX', { text });
  const [, segmentText = '0', busText = '', deviceText, functionText] = match;
  const segment = inRange(text, Number.parseInt(segmentText, 16), 0xffff, 'segment');
  const bus = inRange(text, Number.parseInt(busText, 16), 0xff, 'bus');
  const device = deviceText === undefined ? undefined : inRange(text, Number.parseInt(deviceText, 16), 0x1f, 'slot');
  const fn = functionText === undefined ? undefined : inRange(text, Number.parseInt(functionText, 16), 7, 'function');
  return {
    text: text.trim(),
    matches: (address) =>
      segmentOf(address) === segment &&
      busOf(address) === bus &&
      (device === undefined || deviceOf(address) === device) &&
      (fn === undefined || functionOf(address) === fn),
  };
};
