// SPDX-License-Identifier: MIT

import type { PciIdentity } from '../core/platform/pci.ts';
import { parseDevicePattern } from './device-pattern.ts';

/** Whether an option is for a device. */
export type DeviceTest = (identity: PciIdentity) => boolean;

/**
 * Parses what names devices in an option of fields: an address, also with `*`, or ids with or without those of the subsystem. What
 * lies above a device, and its serial number, is not known where fields are chosen.
 *
 * @returns `undefined` for a form that needs to know them
 * @throws PcibackError `PATTERN_SYNTAX`, `BDF_RANGE`
 */
export const parseDeviceTest = (text: string): DeviceTest | undefined => {
  const { kind, means } = parseDevicePattern(text);
  if (kind !== 'address' && kind !== 'ids') return undefined;
  return (identity) => means({ ...identity, bridges: [] });
};

/** Of an option that names no device. */
export const noDevice: DeviceTest = () => false;
