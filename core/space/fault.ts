// SPDX-License-Identifier: MIT

import { formatBdf, hex } from '../bdf.ts';
import { describeError, type PcibackError, problem } from '../errors/index.ts';
import { HostError, type PciFunction } from '../platform/index.ts';

/** A place in a device's config space where code of a plugin runs. */
export interface CodePlace {
  /** `plugin: set`, or `plugin: set / register`. */
  readonly owner: string;
  readonly function: PciFunction;
  /** Bytes from the start of config space. */
  readonly offset: number;
}

const SEPARATOR = ': ';

/** The error `PLUGIN_FAULT` about the code at a place. @param member of the field, the register or its behaviour */
const faultOf = (place: CodePlace, member: string, why: string, cause?: unknown): PcibackError => {
  const { owner, function: device, offset } = place;
  const end = owner.indexOf(SEPARATOR);
  const [plugin, thing] = end < 0 ? [owner, ''] : [owner.slice(0, end), ` of ${owner.slice(end + SEPARATOR.length)}`];
  const where = `${formatBdf(device.identity.bdf)} at 0x${hex(offset, 2)}`;
  return problem('PLUGIN_FAULT', { plugin, what: `${member}${thing}`, place: where, why }, cause);
};

/** What code of a plugin threw. @throws HostError as it is: the host refused; else PcibackError `PLUGIN_FAULT` */
export const threw = (place: CodePlace, member: string, error: unknown): never => {
  if (error instanceof HostError) throw error;
  throw faultOf(place, member, describeError(error), error);
};

/** What code of a plugin answered is nothing that it may answer. @throws PcibackError `PLUGIN_FAULT` */
export const answered = (place: CodePlace, member: string, answer: unknown, expected: string): never => {
  // Nobody waits for it: how it ends changes nothing, and must not end the process.
  if (answer instanceof Promise) answer.catch(() => undefined);
  throw faultOf(place, member, `answered ${shown(answer)}, not ${expected}`);
};

/** An answer in a message: a plugin can put anything there, also what cannot be made a text. */
const shown = (answer: unknown): string => {
  if (answer instanceof Promise) return 'a promise';
  if (typeof answer === 'string') return JSON.stringify(answer.slice(0, 40));
  return typeof answer === 'object' && answer !== null ? 'an object' : String(answer);
};
