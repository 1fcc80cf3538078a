// SPDX-License-Identifier: MIT

import { formatBdf, parseBdf } from '../core/bdf.ts';
import type { Engine } from '../core/pciback.ts';
import type { Assignment, SeizedDevice } from '../core/stub/index.ts';
import { fail } from './errors.ts';

/** The seized device at an address. @throws PcibackError `BDF_SYNTAX`, `BDF_RANGE`, `DEVICE_NOT_SEIZED` */
export const seizedAt = ({ stub }: Engine, text: string): SeizedDevice => {
  const address = parseBdf(text);
  const found = stub.devices.find((one) => one.bdf === address);
  return found ?? fail('DEVICE_NOT_SEIZED', { bdf: formatBdf(address) });
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
