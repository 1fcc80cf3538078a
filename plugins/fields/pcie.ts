// SPDX-License-Identifier: MIT

import {
  type Behaviour,
  bit,
  bits,
  capability,
  definePlugin,
  type FieldSet,
  type PciFunction,
  type Register,
  register,
} from '../../core/plugin/index.ts';
import { type DeviceTest, noDevice } from '../device-test.ts';
import { functionReset } from './function-reset.ts';

const RESET = bit(15);
const RELAXED_ORDERING = bit(4);
const READ_REQUEST = bits(14, 12);
/** Bits 14:12 and 7:5 of device control: 128 bytes times two to the power of them; 5: 4096 bytes. */
const readRequest = (value: number): number => (value >>> 12) & 7;
const payload = (value: number): number => (value >>> 5) & 7;
const MOST = 5;

/** Bit 28 of device capabilities, at 0x04, is about bit 15 of device control, at 0x08. */
const reset = functionReset({ before: 4, size: 4, mask: bit(28), asked: RESET });

/** Device control with the read-request size in hardware: never one that the payload would not fit into (vfio-pci too). */
const resetAndReadRequest: Behaviour = {
  about: {
    read: 'hardware; the reset always 0',
    write: 'a read-request size from the payload size to 4096 bytes goes to hardware; a one resets the function',
  },
  read: (at) => at.read() & READ_REQUEST,
  steady: true,
  write: (at, value) => {
    const now = at.read();
    if (readRequest(value) !== readRequest(now)) {
      if (readRequest(value) > MOST) at.deny(READ_REQUEST, 'there is no such read-request size');
      else if (readRequest(value) < payload(now)) at.deny(READ_REQUEST, 'a read request is at least the payload size');
      else at.write((now & ~(READ_REQUEST | RESET)) | (value & READ_REQUEST));
    }
    return reset.write(at, value);
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

/** What of device control goes to hardware; missing: nothing. */
interface Passed {
  readonly relaxedOrdering?: boolean;
  readonly readRequest?: boolean;
}

const deviceControl = ({ relaxedOrdering = false, readRequest = false }: Passed): Register => {
  const own = register(0x08, 16, 'device control')
    .emulated(bits(3, 0)) //                  error reporting: its messages end in the host (XSA-59)
    .emulated(bits(7, 5)) //                  payload size: one that differs from the port's is a malformed packet
    .emulated(bit(8)) //                      extended tags
    .readOnly(bit(9)) //                      phantom functions: other requester ids (XSA-449; vfio-pci too)
    .readOnly(bit(10)) //                     auxiliary power (xen_pt too)
    .emulated(bit(11)); //                    no-snoop
  const ordered = relaxedOrdering ? own.writable(RELAXED_ORDERING) : own.emulated(RELAXED_ORDERING);
  return readRequest
    ? ordered.calls(resetAndReadRequest, RESET | READ_REQUEST)
    : ordered.emulated(READ_REQUEST).calls(reset, RESET);
};

/** With nothing passed, what every device has, else a form of some. */
const deviceSet = (name: string, passed: Passed, options: Pick<FieldSet, 'when'> = {}): FieldSet =>
  capability(
    0x10,
    name,
    [
      register(0x02, 16, 'capabilities').readOnly(),
      register(0x04, 32, 'device capabilities').readOnly(),
      deviceControl(passed),
      register(0x0a, 16, 'device status')
        .clearedByOne(bits(3, 0)) //          errors seen: latches of this function alone (xen_pt too)
        .readOnly(bits(5, 4)) //              auxiliary power, transactions pending
        .clearedByOne(bit(6)) //              emergency power reduction: also a latch
        .reserved(bits(15, 7)),
    ],
    options,
  );

/**
 * PCI Express capability, id 0x10 (PCI Express 5.0, §7.5.3). Offsets count from the capability.
 *
 * What device control sets is agreed between the function and the ports above it, which are the host's: the guest has a
 * value of its own (so does QEMU's xen_pt for all of the register), hardware keeps the host's. An operator may let the guest
 * of a device choose relaxed ordering and the read-request size: they are the function's alone, and put back after each guest.
 */
export const pcie: FieldSet = deviceSet('pcie', {});

/** Whose guests choose what. */
interface Choosers {
  readonly relaxedOrdering: DeviceTest;
  readonly readRequest: DeviceTest;
}

/** Forms of {@link pcie} for devices whose guests choose something; alone where there are none. */
const deviceSets = (choosers: Choosers): readonly FieldSet[] => {
  if (choosers.relaxedOrdering === noDevice && choosers.readRequest === noDevice) return [pcie];
  const form = (name: string, passed: Required<Passed>): FieldSet =>
    deviceSet(name, passed, {
      when: ({ identity }) =>
        choosers.relaxedOrdering(identity) === passed.relaxedOrdering &&
        choosers.readRequest(identity) === passed.readRequest,
    });
  return [
    form('pcie', { relaxedOrdering: false, readRequest: false }),
    form('pcie with relaxed ordering', { relaxedOrdering: true, readRequest: false }),
    form('pcie with read request', { relaxedOrdering: false, readRequest: true }),
    form('pcie with both', { relaxedOrdering: true, readRequest: true }),
  ];
};

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
  { when: hasLink },
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
  { when: hasVersion2 },
);

const loadSchema = async () => {
  const { pcieOptions } = await import('./pcie-options.ts');
  return pcieOptions;
};

export default definePlugin({
  name: 'fields/pcie',
  api: '^1.0',
  options: {
    defaults: { relaxedOrdering: noDevice, readRequest: noDevice },
    schema: loadSchema,
  },
  apply: (host, choosers) => {
    host.fields.add(...deviceSets(choosers), pcieLink, pcie2);
  },
});
