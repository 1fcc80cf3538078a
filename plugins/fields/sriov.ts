// SPDX-License-Identifier: MIT

import { extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/**
 * Single-root I/O virtualisation, extended id 0x0010 (PCI Express 5.0, §9.3.3).
 *
 * A virtual function is a new requester on the host's bus: a guest can make none, in permissive mode neither. It is told
 * that there are none to make, so its driver does not try; addresses of their BARs are the host's.
 */
export const virtualFunctions: FieldSet = extendedCapability(0x0010, 'sr-iov', [
  register(0x04, 32, 'capabilities').readOnly(),
  register(0x08, 16, 'control').readOnly(),
  register(0x0a, 16, 'status').readOnly(),
  register(0x0c, 16, 'initial VFs').shows(0),
  register(0x0e, 16, 'total VFs').shows(0),
  register(0x10, 16, 'number of VFs').readOnly(),
  register(0x12, 8, 'function dependency').readOnly(),
  register(0x14, 16, 'first VF offset').readOnly(),
  register(0x16, 16, 'VF stride').readOnly(),
  register(0x1a, 16, 'VF device id').readOnly(),
  register(0x1c, 32, 'supported page sizes').readOnly(),
  register(0x20, 32, 'system page size').readOnly(),
  register(0x24, 32, 'VF BAR 0').shows(0),
  register(0x28, 32, 'VF BAR 1').shows(0),
  register(0x2c, 32, 'VF BAR 2').shows(0),
  register(0x30, 32, 'VF BAR 3').shows(0),
  register(0x34, 32, 'VF BAR 4').shows(0),
  register(0x38, 32, 'VF BAR 5').shows(0),
  register(0x3c, 32, 'migration state').readOnly(),
]);

export default fieldPlugin('fields/sriov', virtualFunctions);
