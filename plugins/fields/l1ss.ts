// SPDX-License-Identifier: MIT

import { bits, extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/**
 * L1 substates, extended id 0x001e (PCI Express 5.0, §7.8.3). Both ends of the link have to be set alike and the guest has
 * one: it gets values of its own. vfio-pci drops these writes.
 */
export const l1Substates: FieldSet = extendedCapability(0x001e, 'l1 substates', [
  register(0x04, 32, 'capabilities').readOnly(),
  register(0x08, 32, 'control 1')
    .emulated(bits(3, 0)) //                  which substates
    .readOnly(bits(5, 4)) //                  link activation: of ports
    .reserved(bits(7, 6))
    .emulated(bits(15, 8)) //                 common-mode restore time
    .emulated(bits(25, 16)) //                threshold
    .reserved(bits(28, 26))
    .emulated(bits(31, 29)), //               its scale
  register(0x0c, 32, 'control 2')
    .emulated(bits(1, 0)) //                  scale of the power-on time
    .emulated(bits(7, 3)) //                  power-on time
    .reserved(),
]);

export default fieldPlugin('fields/l1ss', l1Substates);
