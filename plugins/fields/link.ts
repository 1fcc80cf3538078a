// SPDX-License-Identifier: MIT

import { capabilities, extendedCapability, type FieldSet, type PciFunction } from '../../core/plugin/index.ts';
import { closed, closedRegisters } from './closed.ts';
import { fieldPlugin } from './field-plugin.ts';

// What a function and the port above it do with their link (PCI Express 6.0, §7). The guest has one end of two:
// nothing that it writes here reaches hardware. Equalisation of lanes, at the end of some, is set by hardware alone.

/** Data link features, extended id 0x0025. */
export const dataLinkFeature: FieldSet = closed(0x0025, 'data link feature', [
  [0x04, 32, 'capabilities'],
  [0x08, 32, 'status'],
]);

/** Secondary PCI Express, extended id 0x0019. */
export const secondaryPcie: FieldSet = closed(0x0019, 'secondary pcie', [
  [0x04, 32, 'link control 3'],
  [0x08, 32, 'lane error status'],
]);

/** Physical layer 16.0 GT/s, extended id 0x0026. */
export const speed16: FieldSet = closed(0x0026, '16 GT/s', [
  [0x04, 32, 'capabilities'],
  [0x08, 32, 'control'],
  [0x0c, 32, 'status'],
  [0x10, 32, 'local parity mismatch'],
  [0x14, 32, 'first retimer parity mismatch'],
  [0x18, 32, 'second retimer parity mismatch'],
]);

/** Physical layer 32.0 GT/s, extended id 0x002a. */
export const speed32: FieldSet = closed(0x002a, '32 GT/s', [
  [0x04, 32, 'capabilities'],
  [0x08, 32, 'control'],
  [0x0c, 32, 'status'],
  [0x10, 32, 'received training set 1'],
  [0x14, 32, 'received training set 2'],
  [0x18, 32, 'sent training set 1'],
  [0x1c, 32, 'sent training set 2'],
]);

/** Physical layer 64.0 GT/s, extended id 0x0031. */
export const speed64: FieldSet = closed(0x0031, '64 GT/s', [
  [0x04, 32, 'capabilities'],
  [0x08, 32, 'control'],
  [0x0c, 32, 'status'],
]);

/** Alternate protocols, CXL among them, extended id 0x002b. */
export const alternateProtocol: FieldSet = closed(0x002b, 'alternate protocol', [
  [0x04, 32, 'capabilities'],
  [0x08, 32, 'control'],
  [0x0c, 32, 'selective data 1'],
  [0x10, 32, 'selective data 2'],
]);

/** Protocol multiplexing, extended id 0x001a. */
export const protocolMultiplexing: FieldSet = closed(0x001a, 'protocol multiplexing', [
  [0x04, 32, 'capabilities'],
  [0x08, 32, 'control'],
  [0x0c, 32, 'status'],
]);

const MARGINING = 0x0027;
const PCIE = 0x10;
/** More lanes than these no link has (PCI Express 6.0). */
const MOST_LANES = 16;

/** Lanes that the function's link can have: bits 9:4 of link capabilities. */
const lanesOf = (device: PciFunction): number => {
  const express = capabilities(device).find(({ id }) => id === PCIE);
  return express === undefined ? 0 : (device.readConfig(express.offset + 0x0c, 4) >>> 4) & 0x3f;
};

/** Lane margining at the receiver, extended id 0x0027. */
export const margining: FieldSet = closed(MARGINING, 'margining', [
  [0x04, 16, 'port capabilities'],
  [0x06, 16, 'port status'],
]);

/** Commands to the receiver of one lane: errors on a link that others' functions are behind too. */
export const marginingLanes: readonly FieldSet[] = Array.from({ length: MOST_LANES }, (_, lane) =>
  extendedCapability(
    MARGINING,
    `margining lane ${lane}`,
    closedRegisters([
      [0x08 + 4 * lane, 16, 'control'],
      [0x0a + 4 * lane, 16, 'status'],
    ]),
    { when: (device) => lane < lanesOf(device) },
  ),
);

export default fieldPlugin(
  'fields/link',
  dataLinkFeature,
  secondaryPcie,
  speed16,
  speed32,
  speed64,
  alternateProtocol,
  protocolMultiplexing,
  margining,
  ...marginingLanes,
);
