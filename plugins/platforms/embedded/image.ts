// SPDX-License-Identifier: MIT

import type { Bdf } from '../../../core/bdf.ts';
import { type PciResource, ResourceFlag } from '../../../core/platform/index.ts';

/** Bits of a device-specific register that a write changes. */
export interface WritableRegister {
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  readonly mask: number;
}

/** Everything a model of a function is made from. */
export interface DeviceImage {
  readonly bdf: Bdf;
  /** Where it comes from, e.g. `sample e1000e`, `host`, the name of a dump. */
  readonly source: string;
  /** Ids as the host knows them: the registers of a virtual function read 0xffff. */
  readonly vendor: number;
  readonly device: number;
  /** 256 or 4096 bytes. */
  readonly config: Uint8Array;
  /** Bytes of `config` that were really read; what lies above is made up of zeros. */
  readonly known: number;
  /** BARs 0..5 and the ROM at index 6. */
  readonly resources: readonly PciResource[];
  /** Legacy line interrupt, 0: none. */
  readonly line: number;
  readonly virtualFunction: boolean;
  readonly physicalFunction?: Bdf;
  /** Registers that are writable beyond what the PCI specifications say. */
  readonly writable?: readonly WritableRegister[];
  /** Content behind the VPD capability. */
  readonly vpd?: Uint8Array;
  /** Name of a host driver that holds the function; it cannot be seized then. */
  readonly holder?: string;
}

/** A capability of either list. */
export interface Capability {
  readonly id: number;
  readonly offset: number;
}

export const CapabilityId = {
  powerManagement: 0x01,
  vpd: 0x03,
  msi: 0x05,
  vendor: 0x09,
  express: 0x10,
  msix: 0x11,
  advancedFeatures: 0x13,
} as const;

export const ExtendedId = {
  aer: 0x0001,
  serialNumber: 0x0003,
  acs: 0x000d,
  ari: 0x000e,
  sriov: 0x0010,
  ltr: 0x0018,
} as const;

const absent: PciResource = { start: 0n, size: 0n, flags: 0 };
/** Seven empty resources. */
export const noResources = (): PciResource[] => Array.from({ length: 7 }, () => absent);

export const u16 = (bytes: Uint8Array, offset: number): number =>
  (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8);
export const u32 = (bytes: Uint8Array, offset: number): number =>
  (u16(bytes, offset) | (u16(bytes, offset + 2) << 16)) >>> 0;

/** Whether all of what was read is ones: nobody answered. */
export const readsOnes = (bytes: Uint8Array): boolean => bytes.every((one) => one === 0xff);

/** A function that is there for the host and does not answer. */
export const silentImage = (bdf: Bdf, source: string, bytes: Uint8Array): DeviceImage => ({
  bdf,
  source,
  vendor: 0xffff,
  device: 0xffff,
  config: new Uint8Array(bytes.length > 256 ? 4096 : 256).fill(0xff),
  known: bytes.length,
  resources: noResources(),
  line: 0,
  virtualFunction: false,
});

export const put = (bytes: Uint8Array, offset: number, size: number, value: number): void => {
  for (let i = 0; i < size; i += 1) bytes[offset + i] = (value >>> (8 * i)) & 0xff;
};

/** Bytes of the capabilities that a model works with. */
const lengths: Readonly<Record<number, number>> = {
  [CapabilityId.powerManagement]: 8,
  [CapabilityId.vpd]: 8,
  [CapabilityId.msi]: 10,
  [CapabilityId.express]: 12,
  [CapabilityId.msix]: 12,
  [CapabilityId.advancedFeatures]: 6,
};

/** Whether a capability has room where its list says it is: there are lists that are not sound. */
export const hasRoom = ({ id, offset }: Capability): boolean => offset + (lengths[id] ?? 2) <= 0x100;

/** The standard capability list, in its order; a chain that loops ends where it starts again. */
export const capabilitiesOf = (config: Uint8Array): Capability[] => {
  const found: Capability[] = [];
  if ((u16(config, 0x06) & 0x10) === 0) return found;
  const seen = new Set<number>();
  for (let at = (config[0x34] ?? 0) & 0xfc; at >= 0x40 && !seen.has(at); at = (config[at + 1] ?? 0) & 0xfc) {
    seen.add(at);
    const id = config[at] ?? 0;
    if (id === 0xff) break;
    found.push({ id, offset: at });
  }
  return found;
};

/** The extended capability list, in its order. */
export const extendedOf = (config: Uint8Array): Capability[] => {
  const found: Capability[] = [];
  if (config.length < 4096) return found;
  const seen = new Set<number>();
  for (let at = 0x100; at >= 0x100 && !seen.has(at); at = (u32(config, at) >>> 20) & 0xffc) {
    seen.add(at);
    const id = u32(config, at) & 0xffff;
    if (id === 0 || id === 0xffff) break;
    found.push({ id, offset: at });
  }
  return found;
};

/** What a BAR of a sample is like. */
export interface BarSpec {
  readonly start: bigint;
  /** Bytes, a power of two. */
  readonly size: number;
  readonly kind: 'io' | 'memory32' | 'memory64';
  readonly prefetch?: 'prefetchable';
}

export interface ImageSpec {
  readonly bdf: Bdf;
  readonly name: string;
  readonly vendor: number;
  readonly device: number;
  /** 24 bits. */
  readonly class: number;
  readonly revision?: number;
  readonly subsystem?: readonly [vendor: number, device: number];
  readonly configSize: 256 | 4096;
  readonly header?: 'normal' | 'bridge';
  /** The function is one of several on its device. */
  readonly functions?: 'single' | 'several';
  /** Interrupt pin 1..4 (INTA..INTD) and the line it is routed to. */
  readonly interrupt?: { readonly pin: number; readonly line: number };
  readonly physicalFunction?: Bdf;
  readonly virtualFunction?: 'yes';
  readonly writable?: readonly WritableRegister[];
  readonly vpd?: Uint8Array;
}

/** Builds a {@link DeviceImage} piece by piece; capabilities are chained in the order of the calls. */
export interface ImageBuilder {
  bar(index: number, spec: BarSpec): ImageBuilder;
  rom(start: bigint, size: number): ImageBuilder;
  /** Values at absolute offsets. */
  set(offset: number, size: 1 | 2 | 4, value: number): ImageBuilder;
  /** A standard capability; `body` starts behind id and next pointer, at offset + 2. */
  capability(offset: number, id: number, body: readonly number[]): ImageBuilder;
  /** An extended capability; `body` are dwords from offset + 4. */
  extended(offset: number, id: number, version: number, body: readonly number[]): ImageBuilder;
  build(): DeviceImage;
}

const barFlags: Record<BarSpec['kind'], number> = {
  io: ResourceFlag.io | 0x1,
  memory32: ResourceFlag.memory,
  memory64: ResourceFlag.memory | ResourceFlag.memory64 | 0x4,
};

/** Starts an image. */
export const image = (spec: ImageSpec): ImageBuilder => {
  const config = new Uint8Array(spec.configSize);
  const resources = noResources();
  const virtual = spec.virtualFunction === 'yes';
  let lastCapability = 0;
  let lastExtended = 0;
  const bridge = spec.header === 'bridge';

  put(config, 0x00, 2, virtual ? 0xffff : spec.vendor);
  put(config, 0x02, 2, virtual ? 0xffff : spec.device);
  put(config, 0x08, 4, ((spec.class << 8) | (spec.revision ?? 0)) >>> 0);
  config[0x0e] = (bridge ? 1 : 0) | (spec.functions === 'several' ? 0x80 : 0);
  if (spec.interrupt) {
    config[0x3c] = spec.interrupt.line & 0xff;
    config[0x3d] = spec.interrupt.pin;
  }
  if (spec.subsystem && !bridge) {
    put(config, 0x2c, 2, spec.subsystem[0]);
    put(config, 0x2e, 2, spec.subsystem[1]);
  }

  const builder: ImageBuilder = {
    bar: (index, { start, size, kind, prefetch }) => {
      const flags = barFlags[kind] | (prefetch ? ResourceFlag.prefetch | 0x8 : 0);
      resources[index] = { start, size: BigInt(size), flags };
      // The registers of a virtual function are zero: its BARs are described by the physical one.
      if (virtual) return builder;
      put(config, 0x10 + 4 * index, 4, Number(start & 0xffffffffn) | (flags & 0xf));
      if (kind === 'memory64') put(config, 0x14 + 4 * index, 4, Number(start >> 32n));
      config[0x04] = (config[0x04] ?? 0) | (kind === 'io' ? 0x1 : 0x2);
      return builder;
    },
    rom: (start, size) => {
      resources[6] = { start, size: BigInt(size), flags: ResourceFlag.memory | ResourceFlag.prefetch };
      put(config, bridge ? 0x38 : 0x30, 4, Number(start));
      return builder;
    },
    set: (offset, size, value) => {
      put(config, offset, size, value);
      return builder;
    },
    capability: (offset, id, body) => {
      put(config, 0x06, 2, u16(config, 0x06) | 0x10);
      config[lastCapability === 0 ? 0x34 : lastCapability + 1] = offset;
      lastCapability = offset;
      config[offset] = id;
      config.set(body, offset + 2);
      return builder;
    },
    extended: (offset, id, version, body) => {
      if (lastExtended !== 0) put(config, lastExtended, 4, (u32(config, lastExtended) | (offset << 20)) >>> 0);
      lastExtended = offset;
      put(config, offset, 4, (id | (version << 16)) >>> 0);
      body.forEach((value, index) => {
        put(config, offset + 4 + 4 * index, 4, value);
      });
      return builder;
    },
    build: () => ({
      bdf: spec.bdf,
      source: `sample ${spec.name}`,
      vendor: spec.vendor,
      device: spec.device,
      config,
      known: config.length,
      resources,
      line: spec.interrupt?.line ?? 0,
      virtualFunction: virtual,
      ...(spec.physicalFunction === undefined ? {} : { physicalFunction: spec.physicalFunction }),
      ...(spec.writable === undefined ? {} : { writable: spec.writable }),
      ...(spec.vpd === undefined ? {} : { vpd: spec.vpd }),
    }),
  };
  return builder;
};
