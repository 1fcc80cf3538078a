// SPDX-License-Identifier: MIT

import { type Bdf, bdf } from '../../../core/bdf.ts';
import { CapabilityId, type DeviceImage, ExtendedId, type ImageBuilder, image } from './image.ts';

const bytes16 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff];
const bytes32 = (value: number): number[] => [...bytes16(value & 0xffff), ...bytes16(value >>> 16)];
const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);

/** Power management: capability word, control word. */
const power = (at: number, capabilities: number, control: number) => (to: ImageBuilder) =>
  to.capability(at, CapabilityId.powerManagement, [...bytes16(capabilities), ...bytes16(control), 0, 0]);

/** MSI with the given control word (0x80: 64-bit address, 0x100: maskable). */
const msi = (at: number, control: number) => (to: ImageBuilder) => {
  const length = 6 + (control & 0x80 ? 4 : 0) + (control & 0x100 ? 10 : 0);
  return to.capability(at, CapabilityId.msi, [...bytes16(control), ...zeros(length)]);
};

interface MsixSpec {
  readonly vectors: number;
  readonly table: readonly [bar: number, offset: number];
  readonly pending: readonly [bar: number, offset: number];
}

const msix = (at: number, spec: MsixSpec) => (to: ImageBuilder) =>
  to.capability(at, CapabilityId.msix, [
    ...bytes16(spec.vectors - 1),
    ...bytes32(spec.table[0] | spec.table[1]),
    ...bytes32(spec.pending[0] | spec.pending[1]),
  ]);

interface ExpressSpec {
  /** Version in bits 0..3, device/port type in 4..7, slot in 8. */
  readonly flags: number;
  readonly deviceCapabilities: number;
  readonly deviceControl: number;
  readonly linkCapabilities: number;
  readonly linkStatus: number;
}

const express = (at: number, spec: ExpressSpec) => (to: ImageBuilder) => {
  const version2 = (spec.flags & 0xf) >= 2;
  to.capability(at, CapabilityId.express, [
    ...bytes16(spec.flags),
    ...bytes32(spec.deviceCapabilities),
    ...bytes16(spec.deviceControl),
    ...bytes16(0),
    ...bytes32(spec.linkCapabilities),
    ...bytes16(0x0040),
    ...bytes16(spec.linkStatus),
  ]);
  return version2 ? to.set(at + 0x24, 4, 0x1f).set(at + 0x30, 2, spec.linkStatus & 0xf) : to;
};

/** FLReset in the device capabilities. */
const FUNCTION_RESET = 0x10000000;

/** Advanced error reporting with the usual masks and severities. */
const aer = (at: number) => (to: ImageBuilder) =>
  to.extended(at, ExtendedId.aer, 1, [0, 0, 0x00062011, 0, 0x00002000, 0xa0, 0, 0, 0, 0]);

const serialNumber = (at: number, low: number, high: number) => (to: ImageBuilder) =>
  to.extended(at, ExtendedId.serialNumber, 1, [low, high]);

const vpdText = (text: string): Uint8Array => {
  const identifier = Buffer.from(text, 'latin1');
  const data = new Uint8Array(0x100);
  data.set([0x82, ...bytes16(identifier.length), ...identifier, 0x90, 3, 0, 0x52, 0x56, 0, 0x78]);
  return data;
};

const apply = (to: ImageBuilder, ...parts: readonly ((to: ImageBuilder) => ImageBuilder)[]): DeviceImage =>
  parts.reduce((builder, part) => part(builder), to).build();

/** Intel 82574L: PM, MSI, MSI-X with 5 vectors, no FLR, reset by power state. */
const e1000e = (address: Bdf): DeviceImage =>
  apply(
    image({
      bdf: address,
      name: 'e1000e',
      vendor: 0x8086,
      device: 0x10d3,
      class: 0x020000,
      subsystem: [0x8086, 0xa01f],
      configSize: 4096,
      interrupt: { pin: 1, line: 16 },
    })
      .bar(0, { start: 0xf7d00000n, size: 0x20000, kind: 'memory32' })
      .bar(1, { start: 0xf7c80000n, size: 0x80000, kind: 'memory32' })
      .bar(2, { start: 0xe000n, size: 0x20, kind: 'io' })
      .bar(3, { start: 0xf7d20000n, size: 0x4000, kind: 'memory32' })
      .rom(0xf7c40000n, 0x40000),
    power(0xc8, 0xc822, 0x2000),
    msi(0xd0, 0x80),
    express(0xe0, {
      flags: 0x0001,
      deviceCapabilities: 0x00008cc1,
      deviceControl: 0x2810,
      linkCapabilities: 0x00031c11,
      linkStatus: 0x1011,
    }),
    msix(0xa0, { vectors: 5, table: [3, 0], pending: [3, 0x2000] }),
    aer(0x100),
    serialNumber(0x140, 0xff123456, 0x001b21ff),
  );

/** Realtek 8139-like NIC on a conventional bus: a line interrupt, PM, nothing else. */
const rtl8139 = (address: Bdf): DeviceImage =>
  apply(
    image({
      bdf: address,
      name: 'rtl8139',
      vendor: 0x10ec,
      device: 0x8139,
      class: 0x020000,
      revision: 0x10,
      subsystem: [0x10ec, 0x8139],
      configSize: 256,
      interrupt: { pin: 1, line: 19 },
    })
      .bar(0, { start: 0xd000n, size: 0x100, kind: 'io' })
      .bar(1, { start: 0xf7a00000n, size: 0x100, kind: 'memory32' })
      .rom(0xf7a10000n, 0x10000)
      .set(0x06, 2, 0x0280)
      .set(0x0d, 1, 0x20)
      .set(0x3e, 2, 0x4020),
    power(0x50, 0xf7c2, 0),
  );

/** Samsung NVMe controller: one 64-bit BAR, 33 MSI-X vectors, FLR. */
const nvme = (address: Bdf): DeviceImage =>
  apply(
    image({
      bdf: address,
      name: 'nvme',
      vendor: 0x144d,
      device: 0xa808,
      class: 0x010802,
      subsystem: [0x144d, 0xa801],
      configSize: 4096,
      interrupt: { pin: 1, line: 24 },
    }).bar(0, { start: 0xf7900000n, size: 0x4000, kind: 'memory64' }),
    power(0x40, 0x0003, 0x0008),
    msi(0x50, 0x8a),
    express(0x70, {
      flags: 0x0002,
      deviceCapabilities: 0x00008fc1 | FUNCTION_RESET,
      deviceControl: 0x2810,
      linkCapabilities: 0x00437843,
      linkStatus: 0x1043,
    }),
    msix(0xb0, { vectors: 33, table: [0, 0x3000], pending: [0, 0x2000] }),
    aer(0x100),
    serialNumber(0x148, 0, 0),
    (to) => to.extended(0x188, ExtendedId.ltr, 1, [0]),
  );

/** Registers of the indirect access windows that the driver writes. */
const tg3Windows = [
  { offset: 0x68, size: 4, mask: 0x0000ffff },
  { offset: 0x70, size: 4, mask: 0x0000ff00 },
  { offset: 0x78, size: 4, mask: 0xffffffff },
  { offset: 0x7c, size: 4, mask: 0xffffffff },
  { offset: 0x80, size: 4, mask: 0xffffffff },
  { offset: 0x84, size: 4, mask: 0xffffffff },
  { offset: 0x90, size: 4, mask: 0xffffffff },
] as const;

/** Broadcom BCM5721 (tg3): VPD, and registers that its driver writes through config space. */
const tg3 = (address: Bdf): DeviceImage =>
  apply(
    image({
      bdf: address,
      name: 'tg3',
      vendor: 0x14e4,
      device: 0x1659,
      class: 0x020000,
      revision: 0x11,
      subsystem: [0x1028, 0x01b6],
      configSize: 4096,
      interrupt: { pin: 1, line: 17 },
      writable: tg3Windows,
      vpd: vpdText('Broadcom NetXtreme Gigabit Ethernet'),
    })
      .bar(0, { start: 0xf7800000n, size: 0x10000, kind: 'memory64' })
      .set(0x68, 4, 0x42010000),
    power(0x48, 0xc802, 0x2000),
    (to) => to.capability(0x50, CapabilityId.vpd, zeros(6)),
    msi(0x58, 0x86),
    express(0xd0, {
      flags: 0x0001,
      deviceCapabilities: 0x00048fc1,
      deviceControl: 0x2000,
      linkCapabilities: 0x0003f411,
      linkStatus: 0x1011,
    }),
    aer(0x100),
  );

/** Intel 82576 with SR-IOV: the physical function of the sample VF. */
const igb = (address: Bdf): DeviceImage =>
  apply(
    image({
      bdf: address,
      name: 'igb',
      vendor: 0x8086,
      device: 0x10c9,
      class: 0x020000,
      revision: 0x01,
      subsystem: [0x8086, 0xa03c],
      configSize: 4096,
      interrupt: { pin: 1, line: 18 },
    })
      .bar(0, { start: 0xf7600000n, size: 0x20000, kind: 'memory32' })
      .bar(2, { start: 0xc000n, size: 0x20, kind: 'io' })
      .bar(3, { start: 0xf7640000n, size: 0x4000, kind: 'memory32' }),
    power(0x40, 0xc823, 0x2008),
    msi(0x50, 0x180),
    msix(0x70, { vectors: 10, table: [3, 0], pending: [3, 0x2000] }),
    express(0xa0, {
      flags: 0x0002,
      deviceCapabilities: 0x00008cc2 | FUNCTION_RESET,
      deviceControl: 0x2810,
      linkCapabilities: 0x00436c41,
      linkStatus: 0x1041,
    }),
    aer(0x100),
    serialNumber(0x140, 0xff654321, 0x001b21ff),
    (to) => to.extended(0x150, ExtendedId.ari, 1, [0]),
    // Control: VF enable and VF memory enable; 8 VFs of which one is there; first one at routing offset 0x80.
    (to) =>
      to.extended(
        0x160,
        ExtendedId.sriov,
        1,
        [0, 0x9, 0x00080008, 0x1, 0x00020080, 0x10ca0000, 0x553, 0x1, 0xf7400004, 0, 0, 0xf7420004, 0],
      ),
  );

/** A virtual function of {@link igb}: its id and BAR registers are empty, FLR works. */
const igbVf = (address: Bdf, parent: Bdf): DeviceImage =>
  apply(
    image({
      bdf: address,
      name: 'igb-vf',
      vendor: 0x8086,
      device: 0x10ca,
      class: 0x020000,
      revision: 0x01,
      subsystem: [0x8086, 0xa03c],
      configSize: 4096,
      virtualFunction: 'yes',
      physicalFunction: parent,
    })
      .bar(0, { start: 0xf7400000n, size: 0x4000, kind: 'memory64' })
      .bar(3, { start: 0xf7420000n, size: 0x4000, kind: 'memory64' }),
    msix(0x70, { vectors: 3, table: [3, 0], pending: [3, 0x2000] }),
    express(0xa0, {
      flags: 0x0002,
      deviceCapabilities: 0x00008cc2 | FUNCTION_RESET,
      deviceControl: 0,
      linkCapabilities: 0x00436c41,
      linkStatus: 0,
    }),
    aer(0x100),
    (to) => to.extended(0x150, ExtendedId.ari, 1, [0]),
  );

interface UsbSpec {
  readonly name: string;
  readonly device: number;
  readonly pin: number;
  readonly line: number;
}

/** A companion USB controller: I/O ports, legacy support register at 0xc0. */
const uhci = (address: Bdf, spec: UsbSpec): ImageBuilder =>
  image({
    bdf: address,
    name: spec.name,
    vendor: 0x8086,
    device: spec.device,
    class: 0x0c0300,
    revision: 0x02,
    subsystem: [0x8086, spec.device],
    configSize: 256,
    functions: 'several',
    interrupt: { pin: spec.pin, line: spec.line },
    writable: [{ offset: 0xc0, size: 2, mask: 0x30bf }],
  })
    .bar(4, { start: spec.pin === 1 ? 0xb000n : 0xb020n, size: 0x20, kind: 'io' })
    .set(0x06, 2, 0x0280);

/** Advanced features: function-level reset without PCI Express. */
const advancedFeatures = (at: number) => (to: ImageBuilder) =>
  to.capability(at, CapabilityId.advancedFeatures, [0x06, 0x03, 0, 0]);

const ehci = (address: Bdf): DeviceImage =>
  apply(
    image({
      bdf: address,
      name: 'ehci',
      vendor: 0x8086,
      device: 0x293a,
      class: 0x0c0320,
      revision: 0x02,
      subsystem: [0x8086, 0x293a],
      configSize: 256,
      functions: 'several',
      interrupt: { pin: 1, line: 23 },
    })
      .bar(0, { start: 0xf7b00000n, size: 0x400, kind: 'memory32' })
      .set(0x06, 2, 0x0280),
    power(0x50, 0xc9c2, 0),
    (to) => to.capability(0x58, 0x0a, bytes16(0x20a0)),
    advancedFeatures(0x98),
  );

/** A root port, the bridge above the e1000e sample. */
const rootPort = (address: Bdf, secondary: number): DeviceImage =>
  apply(
    image({
      bdf: address,
      name: 'root-port',
      vendor: 0x8086,
      device: 0x2940,
      class: 0x060400,
      revision: 0x02,
      configSize: 4096,
      header: 'bridge',
      functions: 'several',
      interrupt: { pin: 1, line: 17 },
    })
      .set(0x04, 2, 0x0007)
      .set(0x18, 4, (secondary << 16) | (secondary << 8))
      .set(0x1c, 2, 0xe0e0)
      .set(0x20, 4, 0xf7d0f7c0)
      .set(0x24, 4, 0x0001fff1),
    express(0x40, {
      flags: 0x0141,
      deviceCapabilities: 0x00008fc0,
      deviceControl: 0x0000,
      linkCapabilities: 0x01112c11,
      linkStatus: 0x3011,
    }),
    msi(0x80, 0),
    (to) => to.capability(0x90, 0x0d, [0, 0, 0x86, 0x80, 0x40, 0x29]),
    power(0xa0, 0xc802, 0),
  );

const recipes = {
  'root-port': (segment: number) => rootPort(bdf(segment, 0x00, 0xe0), 0x01),
  e1000e: (segment: number) => e1000e(bdf(segment, 0x01, 0x00)),
  igb: (segment: number) => igb(bdf(segment, 0x02, 0x00)),
  'igb-vf': (segment: number) => igbVf(bdf(segment, 0x02, 0x80), bdf(segment, 0x02, 0x00)),
  nvme: (segment: number) => nvme(bdf(segment, 0x03, 0x00)),
  tg3: (segment: number) => tg3(bdf(segment, 0x04, 0x00)),
  rtl8139: (segment: number) => rtl8139(bdf(segment, 0x05, 0x20)),
  'uhci-1': (segment: number) =>
    apply(uhci(bdf(segment, 0x00, 0xe8), { name: 'uhci-1', device: 0x2934, pin: 1, line: 23 })),
  'uhci-2': (segment: number) =>
    apply(uhci(bdf(segment, 0x00, 0xe9), { name: 'uhci-2', device: 0x2935, pin: 2, line: 19 }), advancedFeatures(0x50)),
  ehci: (segment: number) => ehci(bdf(segment, 0x00, 0xef)),
} as const;

export type SampleName = keyof typeof recipes;
export const sampleNames = Object.keys(recipes) as readonly SampleName[];

/**
 * One bundled device.
 *
 * @param segment where it is put; the sample addresses are 00:1c.0 (root port), 00:1d.0, .1, .7 (USB), 01:00.0 (e1000e),
 * 02:00.0 and 02:10.0 (igb and its virtual function), 03:00.0 (NVMe), 04:00.0 (tg3), 05:04.0 (rtl8139)
 */
export const sample = (name: SampleName, segment = 0): DeviceImage => recipes[name](segment);

/** All bundled devices; a segment of their own keeps them apart from a host's. */
export const samples = (segment = 0): DeviceImage[] => sampleNames.map((name) => sample(name, segment));
