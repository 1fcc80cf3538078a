// SPDX-License-Identifier: MIT

import { fail } from '../core/errors/index.ts';
import type { DeviceMatch } from '../core/quirk/quirk.ts';

/**
 * `match: ids('14e4', ['1644', '1645'])`: hexadecimal vendor and device ids as `lspci -n` prints them.
 *
 * @throws PcibackError `QUIRK_INVALID` for an id that has not four digits.
 */
export const ids = (vendor: string, devices: readonly string[]): DeviceMatch[] =>
  devices.map((device) => ({ vendor: id(vendor), device: id(device) }));

const id = (text: string): number => {
  if (!/^[0-9a-fA-F]{4}$/.test(text))
    fail('QUIRK_INVALID', { quirk: text, where: 'ids', why: 'an id has four hexadecimal digits' });
  return Number.parseInt(text, 16);
};
