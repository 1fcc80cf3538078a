// SPDX-License-Identifier: MIT

import {
  type Behaviour,
  bit,
  bits,
  capability,
  definePlugin,
  type FieldSet,
  type PciFunction,
  register,
  Status,
} from '../../core/plugin/index.ts';

const DEVICE_CAPABILITIES = 0x04;
const DEVICE_CONTROL = 0x08;

/** Device capabilities: the function can reset itself. */
const RESET_CAPABLE = bit(28);
/** Device control: reset now. */
const INITIATE_RESET = bit(15);

/** A guest's function-level reset goes to the reset hook, so that the host knows of it and waits as it has to. */
const functionReset: Behaviour = {
  about: { read: 'always 0', write: 'a one resets the function, through the reset hook' },
  read: () => 0,
  steady: true,
  described: { kind: 'inert' },
  write: (at, value) => {
    if ((value & INITIATE_RESET) === 0) return Status.success;
    const able = at.device.hardware.readConfig(at.offset - DEVICE_CONTROL + DEVICE_CAPABILITIES, 4) & RESET_CAPABLE;
    if (able !== 0) return at.device.resetFunction();
    at.deny(INITIATE_RESET, 'the function has no function-level reset');
    return Status.success;
  },
};

/** Version of the capability, 1 or 2, and type of the function, from the word at +2. */
const version = (device: PciFunction, base: number): number => device.readConfig(base + 2, 2) & 0xf;
const type = (device: PciFunction, base: number): number => (device.readConfig(base + 2, 2) >> 4) & 0xf;

const ROOT_COMPLEX_ENDPOINT = 9;
const ROOT_COMPLEX_EVENT_COLLECTOR = 10;

/** Version 1 leaves out the registers that the function has no use for. */
const hasLink = (device: PciFunction, base: number): boolean =>
  version(device, base) >= 2 ||
  (type(device, base) !== ROOT_COMPLEX_ENDPOINT && type(device, base) !== ROOT_COMPLEX_EVENT_COLLECTOR);

const hasVersion2 = (device: PciFunction, base: number): boolean => version(device, base) >= 2;

/**
 * PCI Express capability, id 0x10 (PCI Express 5.0, §7.5.3). Offsets count from the capability.
 *
 * What device control sets is agreed between the function and the ports above it, which are the host's: the guest has a
 * value of its own (so does QEMU's xen_pt for all of the register), hardware keeps the host's.
 */
export const pcie: FieldSet = capability(0x10, 'pcie', [
  register(0x02, 16, 'capabilities').readOnly(),
  register(0x04, 32, 'device capabilities').readOnly(),
  register(0x08, 16, 'device control')
    .emulated(bits(3, 0)) //                  error reporting: its messages end in the host (XSA-59)
    .emulated(bit(4)) //                      relaxed ordering
    .emulated(bits(7, 5)) //                  payload size: one that differs from the port's is a malformed packet
    .emulated(bit(8)) //                      extended tags
    .readOnly(bit(9)) //                      phantom functions: other requester ids (XSA-449; vfio-pci too)
    .readOnly(bit(10)) //                     auxiliary power (xen_pt too)
    .emulated(bit(11)) //                     no-snoop
    .emulated(bits(14, 12)) //                read-request size
    .calls(functionReset, INITIATE_RESET),
  register(0x0a, 16, 'device status')
    .clearedByOne(bits(3, 0)) //              errors seen: latches of this function alone (xen_pt too)
    .readOnly(bits(5, 4)) //                  auxiliary power, transactions pending
    .clearedByOne(bit(6)) //                  emergency power reduction: also a latch
    .reserved(bits(15, 7)),
]);

/** The link is shared with the port above; link control as in xen_pt: nothing reaches hardware. */
export const pcieLink: FieldSet = capability(
  0x10,
  'pcie link',
  [
    register(0x0c, 32, 'link capabilities').readOnly(),
    register(0x10, 16, 'link control')
      .emulated(bits(1, 0)) //                ASPM: needs both ends, the guest has one
      .emulated(bit(3)) //                    read completion boundary
      .emulated(bits(7, 6)) //                common clock, extended synch
      .emulated(bits(9, 8)) //                clock power management, autonomous width
      .readOnly(), //                         disable, retrain and interrupts belong to ports
    register(0x12, 16, 'link status').readOnly(),
  ],
  hasLink,
);

export const pcie2: FieldSet = capability(
  0x10,
  'pcie 2',
  [
    register(0x14, 32, 'slot capabilities').readOnly(), // slots and roots are the host's; endpoints have zero here
    register(0x18, 16, 'slot control').readOnly(),
    register(0x1a, 16, 'slot status').readOnly(),
    register(0x1c, 16, 'root control').readOnly(),
    register(0x1e, 16, 'root capabilities').readOnly(),
    register(0x20, 32, 'root status').readOnly(),
    // Device capabilities 2 (0x24) has no field: nothing in it can be written anyway, and Radeon cards take their reset
    // value there, which a quirk may then open.
    register(0x28, 16, 'device control 2')
      .emulated(bits(4, 0)) //                completion time-out (xen_pt too)
      .readOnly(bit(5)) //                    ARI forwarding: routing of the host's (vfio-pci too)
      .readOnly(bits(7, 6)) //                atomic operations: shown as on they would not work
      .emulated(bits(9, 8)) //                ordering by id
      .emulated(bit(10)) //                   latency messages
      .readOnly(), //                         10-bit tags, OBFF, TLP prefixes: agreed with the ports above
    register(0x2a, 16, 'device status 2').readOnly(),
    register(0x2c, 32, 'link capabilities 2').readOnly(),
    register(0x30, 16, 'link control 2')
      .emulated(bits(5, 0)) //                target speed, compliance, autonomous speed
      .readOnly(bit(6)) //                    de-emphasis of ports
      .emulated(bits(12, 7)) //               transmit margin, compliance
      .readOnly(), //                         as xen_pt
    register(0x32, 16, 'link status 2').readOnly(),
    register(0x34, 32, 'slot capabilities 2').readOnly(),
    register(0x38, 16, 'slot control 2').readOnly(),
    register(0x3a, 16, 'slot status 2').readOnly(),
  ],
  hasVersion2,
);

export default definePlugin({
  name: 'fields/pcie',
  api: '^1.0',
  apply: (host) => {
    host.fields.add(pcie, pcieLink, pcie2);
  },
});
