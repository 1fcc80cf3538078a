// SPDX-License-Identifier: MIT

import { bit, bits, extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/** Errors that PCI Express 5.0 defines, §7.8.4.2: data link, surprise down; poisoned packet to blocked egress. */
const UNCORRECTABLE = bits(5, 4) | bits(26, 12);
/** §7.8.4.5: receiver; bad packets, replay rollover; replay time-out, advisory, internal, log overflow. */
const CORRECTABLE = bit(0) | bits(8, 6) | bits(15, 12);

/**
 * Advanced error reporting, extended id 0x0001 (PCI Express 5.0, §7.8.4). The root's registers behind it, from 0x2c on,
 * are claimed by nobody: no guest gets a root port.
 *
 * Status latches go to hardware, as in vfio-pci: a driver clears them before it starts and after a recovery, and the
 * message to the host was sent when the bit was set. Masks and severities decide what the host is told, up to a
 * non-maskable interrupt (XSA-59): the guest has values of its own, unlike in vfio-pci.
 */
export const advancedErrors: FieldSet = extendedCapability(0x0001, 'aer', [
  register(0x04, 32, 'uncorrectable status').clearedByOne(UNCORRECTABLE).reserved(),
  register(0x08, 32, 'uncorrectable mask').emulated(UNCORRECTABLE).reserved(),
  register(0x0c, 32, 'uncorrectable severity').emulated(UNCORRECTABLE).reserved(),
  register(0x10, 32, 'correctable status').clearedByOne(CORRECTABLE).reserved(),
  register(0x14, 32, 'correctable mask').emulated(CORRECTABLE).reserved(),
  register(0x18, 32, 'capabilities and control')
    .emulated(bit(6)) //                      ECRC generation: every port on the way has to take the digest
    .emulated(bit(8)) //                      ECRC check
    .readOnly(), //                           first error, abilities; recording of several headers stays off
  register(0x1c, 32, 'header log 0').readOnly(),
  register(0x20, 32, 'header log 1').readOnly(),
  register(0x24, 32, 'header log 2').readOnly(),
  register(0x28, 32, 'header log 3').readOnly(),
]);

export default fieldPlugin('fields/aer', advancedErrors);
