// SPDX-License-Identifier: MIT

import { formatBdf, parseBdf } from '../core/bdf.ts';
import type { Engine } from '../core/pciback.ts';
import type { Assignment, SeizedDevice } from '../core/stub/index.ts';
import { fail } from './errors.ts';

/** Bits of an address that say bus, slot and function. */
const WITHIN_SEGMENT = 0xffff;

/** The seized device at an address. @throws PcibackError `BDF_SYNTAX`, `BDF_RANGE`, `DEVICE_NOT_SEIZED` */
export const seizedAt = ({ stub }: Engine, text: string): SeizedDevice => {
  const address = parseBdf(text);
  const found = stub.devices.find((one) => one.bdf === address);
  if (found !== undefined) return found;
  // Samples lie in another segment where the host has devices in the first.
  const near = stub.devices.find((one) => (one.bdf & WITHIN_SEGMENT) === (address & WITHIN_SEGMENT));
  const nearest = near === undefined ? {} : { nearest: formatBdf(near.bdf) };
  return fail('DEVICE_NOT_SEIZED', { bdf: formatBdf(address), ...nearest });
};

/**
 * The device at an address and its guest's hold on it.
 *
 * @param otherwise what follows from no guest having it
 * @throws PcibackError as {@link seizedAt}, `USAGE` when no guest has it
 */
export const assignedAt = (
  engine: Engine,
  text: string,
  otherwise: string,
): { readonly device: SeizedDevice; readonly assignment: Assignment } => {
  const device = seizedAt(engine, text);
  const { assignment } = device;
  if (assignment !== undefined) return { device, assignment };
  const what = `${formatBdf(device.bdf)} is seized, but no guest has it: ${otherwise}`;
  return fail('USAGE', { what, nearest: undefined });
};
