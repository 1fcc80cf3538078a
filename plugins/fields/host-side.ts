// SPDX-License-Identifier: MIT

import { capability, type FieldSet } from '../../core/plugin/index.ts';
import { closed, closedRegisters } from './closed.ts';
import { fieldPlugin } from './field-plugin.ts';

// Capabilities whose other half is the host's: a root, a switch, an enclosure, an attester. Shown as hardware has them, and
// closed in permissive mode too (PCI Express 6.0, §7).

/**
 * Processing hints, extended id 0x0017. Steering tags are numbers of the host's processors, so no guest has one to
 * give: a request goes without. The tags behind have no field; they count only while the control register is on.
 */
export const processingHints: FieldSet = closed(0x0017, 'tph', [
  [0x04, 32, 'capabilities'],
  [0x08, 32, 'control'],
]);

/** Lightweight notification, extended id 0x001c: asks the root for messages about its cache. */
export const lightweightNotification: FieldSet = closed(0x001c, 'lightweight notification', [
  [0x04, 16, 'capabilities'],
  [0x06, 16, 'control'],
]);

/** Multicast, extended id 0x0012: which packets of others a function takes, and from whom. */
export const multicast: FieldSet = closed(0x0012, 'multicast', [
  [0x04, 16, 'capabilities'],
  [0x06, 16, 'control'],
  [0x08, 32, 'base address'],
  [0x0c, 32, 'upper base address'],
  [0x10, 32, 'receive'],
  [0x14, 32, 'upper receive'],
  [0x18, 32, 'block all'],
  [0x1c, 32, 'upper block all'],
  [0x20, 32, 'block untranslated'],
  [0x24, 32, 'upper block untranslated'],
]);

/** Dynamic power allocation, extended id 0x0016: the host's budget. */
export const dynamicPower: FieldSet = closed(0x0016, 'dynamic power', [
  [0x04, 32, 'capabilities'],
  [0x08, 32, 'latency'],
  [0x0c, 16, 'status'],
  [0x0e, 16, 'control'],
]);

/** Readiness notifications of functions below a root, extended id 0x0021. */
export const readinessQueue: FieldSet = closed(0x0021, 'readiness queue', [
  [0x04, 32, 'capabilities'],
  [0x08, 16, 'status'],
  [0x0a, 16, 'control'],
  [0x0c, 32, 'messages'],
]);

/** Time until a function is ready, extended id 0x0022. */
export const readinessTime: FieldSet = closed(0x0022, 'readiness time', [
  [0x04, 32, 'after reset'],
  [0x08, 32, 'after low power'],
]);

/** Hierarchy id, extended id 0x0028: a name of the host, which its root gives. */
export const hierarchyId: FieldSet = closed(0x0028, 'hierarchy id', [
  [0x04, 32, 'status'],
  [0x08, 32, 'data'],
  [0x0c, 32, 'system id 0'],
  [0x10, 32, 'system id 1'],
  [0x14, 32, 'system id 2'],
  [0x18, 32, 'system id 3'],
  [0x1c, 32, 'system id 4'],
]);

/** Lights of an enclosure (NPEM), extended id 0x0029: the host's people look at them. */
export const enclosureLeds: FieldSet = closed(0x0029, 'enclosure leds', [
  [0x04, 32, 'capabilities'],
  [0x08, 32, 'control'],
  [0x0c, 32, 'status'],
]);

/**
 * Data object exchange, extended id 0x002e: a mailbox through which firmware of the device is measured and keys of
 * its link are set. Whoever holds it speaks for the host.
 */
export const dataObjects: FieldSet = closed(0x002e, 'doe', [
  [0x04, 32, 'capabilities'],
  [0x08, 32, 'control'],
  [0x0c, 32, 'status'],
  [0x10, 32, 'write mailbox'],
  [0x14, 32, 'read mailbox'],
]);

/** Device 3, extended id 0x002f: tags and states that the ports above have to know. */
export const device3: FieldSet = closed(0x002f, 'device 3', [
  [0x04, 32, 'capabilities 3'],
  [0x08, 32, 'control 3'],
  [0x0c, 32, 'status 3'],
]);

/**
 * Integrity and encryption, extended id 0x0030. The streams behind lie where their number says; they have no field,
 * and without keys, which come through {@link dataObjects}, none of them can be switched on.
 */
export const encryption: FieldSet = closed(0x0030, 'ide', [
  [0x04, 32, 'capabilities'],
  [0x08, 32, 'control'],
]);

/** HyperTransport, id 0x08 (HyperTransport 3.10): the first block of several. */
export const hypertransport: FieldSet = capability(0x08, 'hypertransport', closedRegisters([[0x02, 16, 'command']]));

/** Ids of whoever made the board, id 0x0d (PCI-to-PCI Bridge 1.2, §3.2.5.13). */
export const bridgeSubsystem: FieldSet = capability(
  0x0d,
  'bridge subsystem',
  closedRegisters([
    [0x04, 16, 'vendor id'],
    [0x06, 16, 'id'],
  ]),
);

export default fieldPlugin(
  'fields/host-side',
  processingHints,
  lightweightNotification,
  multicast,
  dynamicPower,
  readinessQueue,
  readinessTime,
  hierarchyId,
  enclosureLeds,
  dataObjects,
  device3,
  encryption,
  hypertransport,
  bridgeSubsystem,
);
