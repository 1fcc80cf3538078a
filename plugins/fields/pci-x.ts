// SPDX-License-Identifier: MIT

import { bit, bits, capability, type FieldSet, type PciFunction, register } from '../../core/plugin/index.ts';
import { closedRegisters } from './closed.ts';
import { fieldPlugin } from './field-plugin.ts';

const PCI_X = 0x07;

/** A bridge has other registers there. */
const isEndpoint = ({ identity }: PciFunction): boolean => identity.headerType === 0;

/** Bits 13:12 of the command register: the version of the capability; from 1 on it counts and mends errors. */
const countsErrors = (device: PciFunction, base: number): boolean =>
  isEndpoint(device) && (device.readConfig(base + 2, 2) & bits(13, 12)) !== 0;

/**
 * PCI-X capability of an endpoint, id 0x07 (PCI-X 2.0, §7.2).
 *
 * Error recovery, ordering, and how much is read at once belong to the bus that others are on: the guest has values of its
 * own, hardware keeps the host's. vfio-pci passes them; xen_pt hides the capability.
 */
export const pciX: FieldSet = capability(
  PCI_X,
  'pci-x',
  [
    register(0x02, 16, 'command')
      .emulated(bit(0)) //                    recovery from parity errors
      .emulated(bit(1)) //                    relaxed ordering
      .emulated(bits(3, 2)) //                bytes that one read may ask for
      .emulated(bits(6, 4)) //                reads that may be open at once
      .readOnly(), //                         version
    register(0x04, 32, 'status')
      .clearedByOne(bits(19, 18)) //          a completion thrown away, or one that nobody asked for: latches of this function
      .clearedByOne(bit(29)) //               an error message of one: also a latch
      .readOnly(), //                         its address on the host's bus, and what it can
  ],
  { when: isEndpoint },
);

/** The registers of PCI-X 2.0 about errors that were mended; vfio-pci passes the first. */
export const pciXErrors: FieldSet = capability(
  PCI_X,
  'pci-x errors',
  closedRegisters([
    [0x08, 32, 'control and status'],
    [0x0c, 32, 'first address'],
    [0x10, 32, 'second address'],
    [0x14, 32, 'attribute'],
  ]),
  { when: countsErrors },
);

export default fieldPlugin('fields/pci-x', pciX, pciXErrors);
