// SPDX-License-Identifier: MIT

import { hex, parseBdf } from '../../core/bdf.ts';
import type { AddressPattern, DevicePattern } from '../../core/config.ts';

/** How an rc file writes a vendor or device id. */
export const ID = /^(0x)?[0-9a-fA-F]{4}$/;

export const idOf = (text: string): number => Number.parseInt(text, 16);

/** Devices at the addresses of a pattern. */
export const atAddress = (pattern: AddressPattern): DevicePattern => ({
  text: pattern.text,
  ...(pattern.text.includes('*') ? {} : { address: parseBdf(pattern.text) }),
  matches: (device) => pattern.matches(device.bdf),
});

/** Devices with these ids; `device` missing: every one of the vendor. */
export const withIds = (vendor: number, device: number | undefined): DevicePattern => ({
  text: `${hex(vendor, 4)}:${device === undefined ? '*' : hex(device, 4)}`,
  matches: (one) => one.vendor === vendor && (device === undefined || one.device === device),
});
