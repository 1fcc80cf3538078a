// SPDX-License-Identifier: MIT

import { ResourceFlag } from '../../../core/platform/index.ts';
import {
  type Capability,
  CapabilityId,
  capabilitiesOf,
  type DeviceImage,
  ExtendedId,
  extendedOf,
  hasRoom,
  u16,
  u32,
} from './image.ts';

/**
 * What every bit of a function's config space does, one byte of mask per byte of config space.
 *
 * A bit in none of the masks is read-only. The masks follow the PCI and PCI Express base specifications; what those leave
 * to the device is taken from the image: a bit that is set there is taken for implemented.
 */
export interface Behaviour {
  /** Bits that take the written value. */
  readonly write: Uint8Array;
  /** Bits that a written 1 clears. */
  readonly clear: Uint8Array;
  /** Values of the writable bits after a reset. */
  readonly initial: Uint8Array;
  /** Bits that a function-level reset leaves alone. */
  readonly sticky: Uint8Array;
  readonly capabilities: readonly Capability[];
  readonly extended: readonly Capability[];
}

export const CommandBit = { io: 0x1, memory: 0x2, master: 0x4, invalidate: 0x10, intxDisable: 0x400 } as const;

class Masks {
  readonly write: Uint8Array;
  readonly clear: Uint8Array;
  readonly initial: Uint8Array;
  readonly sticky: Uint8Array;

  constructor(size: number) {
    this.write = new Uint8Array(size);
    this.clear = new Uint8Array(size);
    this.initial = new Uint8Array(size);
    this.sticky = new Uint8Array(size);
  }

  allow(offset: number, size: number, mask: number): void {
    or(this.write, offset, size, mask);
  }

  writeOneClear(offset: number, size: number, mask: number): void {
    or(this.clear, offset, size, mask);
  }

  startAt(offset: number, size: number, value: number): void {
    or(this.initial, offset, size, value);
  }

  keep(offset: number, size: number, mask: number): void {
    or(this.sticky, offset, size, mask);
  }
}

const or = (bytes: Uint8Array, offset: number, size: number, mask: number): void => {
  for (let i = 0; i < size && offset + i < bytes.length; i += 1) {
    bytes[offset + i] = (bytes[offset + i] ?? 0) | ((mask >>> (8 * i)) & 0xff);
  }
};

/** Bits of status and secondary status that report errors. */
const STATUS_ERRORS = 0xf900;

const header = (masks: Masks, image: DeviceImage, express: boolean): void => {
  const { config, resources } = image;
  const bridge = ((config[0x0e] ?? 0) & 0x7f) === 1;
  const pin = config[0x3d] ?? 0;
  masks.writeOneClear(0x06, 2, STATUS_ERRORS);
  if (image.virtualFunction) {
    masks.allow(0x04, 2, CommandBit.master);
    return;
  }
  const hasIo = bridge || resources.some((one) => one.size > 0n && (one.flags & 0x100) !== 0);
  const hasMemory = bridge || resources.some((one) => one.size > 0n && (one.flags & 0x200) !== 0);
  const implemented =
    (hasIo ? CommandBit.io : 0) |
    (hasMemory ? CommandBit.memory : 0) |
    CommandBit.master |
    0x140 |
    (pin > 0 ? CommandBit.intxDisable : 0) |
    (express ? 0 : CommandBit.invalidate) |
    (u16(config, 0x04) & 0x7ff);
  masks.allow(0x04, 2, implemented);
  masks.allow(0x0c, 1, 0xff);
  if (!express) masks.allow(0x0d, 1, 0xff);
  if ((config[0x0f] ?? 0) & 0x80) masks.allow(0x0f, 1, 0x40);
  masks.allow(0x3c, 1, 0xff);
  bars(masks, image, bridge ? 2 : 6);
  const rom = resources[6];
  if (rom && rom.size > 0n && (rom.flags & ResourceFlag.fixed) === 0)
    masks.allow(bridge ? 0x38 : 0x30, 4, (Number(-rom.size & 0xffffffffn) & 0xfffff800) | 1);
  if (bridge) bridgeHeader(masks, config);
};

const bars = (masks: Masks, { resources, config }: DeviceImage, count: number): void => {
  for (let index = 0; index < count; index += 1) {
    const bar = resources[index];
    if (!bar || bar.size === 0n || (bar.flags & ResourceFlag.fixed) !== 0) continue;
    const at = 0x10 + 4 * index;
    const sizing = -bar.size & 0xffffffffffffffffn;
    const io = (bar.flags & 0x1) !== 0 && (bar.flags & 0x100) !== 0;
    masks.allow(at, 4, Number(sizing & 0xffffffffn) & (io ? 0xfffffffc : 0xfffffff0));
    const wide = !io && ((config[at] ?? 0) & 0x6) === 0x4;
    if (wide && index + 1 < count) masks.allow(at + 4, 4, Number(sizing >> 32n));
  }
};

const bridgeHeader = (masks: Masks, config: Uint8Array): void => {
  masks.allow(0x18, 4, 0x00ffffff);
  masks.allow(0x1b, 1, 0xff);
  masks.allow(0x1c, 2, 0xf0f0);
  masks.writeOneClear(0x1e, 2, STATUS_ERRORS);
  masks.allow(0x20, 4, 0xfff0fff0);
  masks.allow(0x24, 4, 0xfff0fff0);
  if (((config[0x24] ?? 0) & 0xf) === 1) masks.allow(0x28, 4, 0xffffffff);
  if (((config[0x24] ?? 0) & 0xf) === 1) masks.allow(0x2c, 4, 0xffffffff);
  if (((config[0x1c] ?? 0) & 0xf) === 1) masks.allow(0x30, 4, 0xffffffff);
  masks.allow(0x3e, 2, 0x0b5f);
};

const standard: Record<number, (masks: Masks, at: number, image: DeviceImage) => void> = {
  [CapabilityId.powerManagement]: (masks, at, { config }) => {
    const pme = u16(config, at + 2) & 0xf800;
    const hasData = (u16(config, at + 4) & 0x7e00) !== 0 || (config[at + 7] ?? 0) !== 0;
    masks.allow(at + 4, 2, 0x3 | (pme ? 0x100 : 0) | (hasData ? 0x1e00 : 0));
    if (pme) masks.writeOneClear(at + 4, 2, 0x8000);
    masks.keep(at + 4, 2, 0x8100);
  },
  [CapabilityId.vpd]: (masks, at) => {
    masks.allow(at + 2, 2, 0xffff);
    masks.allow(at + 4, 4, 0xffffffff);
  },
  [CapabilityId.msi]: (masks, at, { config }) => {
    const control = u16(config, at + 2);
    const wide = (control & 0x80) !== 0;
    // Multiple Message Enable may not exceed Multiple Message Capable; devices keep the three bits all the same.
    masks.allow(at + 2, 2, (control & 0xe) === 0 ? 0x1 : 0x71);
    masks.allow(at + 4, 4, 0xfffffffc);
    if (wide) masks.allow(at + 8, 4, 0xffffffff);
    masks.allow(at + (wide ? 0xc : 0x8), 2, 0xffff);
    if (control & 0x100) masks.allow(at + (wide ? 0x10 : 0xc), 4, 0xffffffff);
  },
  [CapabilityId.msix]: (masks, at) => masks.allow(at + 2, 2, 0xc000),
  [CapabilityId.advancedFeatures]: () => undefined,
  [CapabilityId.express]: (masks, at, image) => {
    const flags = u16(image.config, at + 2);
    const type = (flags >> 4) & 0xf;
    const port = type === 4 || type === 5 || type === 6;
    masks.writeOneClear(at + 0xa, 2, 0x000f);
    if (image.virtualFunction) return;
    masks.allow(at + 0x8, 2, 0x7fff);
    masks.startAt(at + 0x8, 2, 0x2810);
    masks.allow(at + 0x10, 2, port ? 0x0ff3 : 0x03cb);
    if (port) masks.writeOneClear(at + 0x12, 2, 0xc000);
    if (port && flags & 0x100) {
      masks.allow(at + 0x18, 2, 0x1fff);
      masks.writeOneClear(at + 0x1a, 2, 0x011f);
    }
    if (type === 4) {
      masks.allow(at + 0x1c, 2, 0x001f);
      masks.writeOneClear(at + 0x20, 4, 0x10000);
    }
    if ((flags & 0xf) < 2) return;
    masks.allow(at + 0x28, 2, port ? 0xffff : 0x67df);
    masks.allow(at + 0x30, 2, 0xffff);
    masks.keep(at + 0x30, 2, 0xffff);
    masks.startAt(at + 0x30, 2, u16(image.config, at + 0x30));
  },
};

/** Error bits of the uncorrectable and the correctable registers. */
const UNCORRECTABLE = 0x07fff030;
const CORRECTABLE = 0x0000f1c1;

const beyond: Record<number, (masks: Masks, at: number, image: DeviceImage) => void> = {
  [ExtendedId.aer]: (masks, at, { config }) => {
    masks.writeOneClear(at + 0x4, 4, UNCORRECTABLE);
    masks.allow(at + 0x8, 4, UNCORRECTABLE);
    masks.allow(at + 0xc, 4, UNCORRECTABLE);
    masks.writeOneClear(at + 0x10, 4, CORRECTABLE);
    masks.allow(at + 0x14, 4, CORRECTABLE);
    const control = u32(config, at + 0x18);
    masks.allow(at + 0x18, 4, (control & 0x20 ? 0x40 : 0) | (control & 0x80 ? 0x100 : 0));
    // All of AER survives a reset, so that the cause of an error can be read afterwards.
    masks.keep(at + 0x4, 4, 0xffffffff);
    for (let i = 0x8; i <= 0x18; i += 4) masks.keep(at + i, 4, 0xffffffff);
  },
  [ExtendedId.acs]: (masks, at, { config }) => masks.allow(at + 6, 2, u16(config, at + 4) & 0x7f),
  [ExtendedId.ari]: (masks, at) => masks.allow(at + 6, 2, 0x73),
  [ExtendedId.sriov]: (masks, at) => {
    masks.allow(at + 0x8, 2, 0x1f);
    masks.allow(at + 0x10, 2, 0xffff);
  },
  [ExtendedId.ltr]: (masks, at) => masks.allow(at + 4, 4, 0x1fff1fff),
};

/** Derives the behaviour of an image. */
export const behaviourOf = (image: DeviceImage): Behaviour => {
  const masks = new Masks(image.config.length);
  const capabilities = capabilitiesOf(image.config).filter(hasRoom);
  const extended = extendedOf(image.config);
  header(
    masks,
    image,
    capabilities.some((one) => one.id === CapabilityId.express),
  );
  for (const { id, offset } of capabilities) standard[id]?.(masks, offset, image);
  for (const { id, offset } of extended) beyond[id]?.(masks, offset, image);
  for (const { offset, size, mask } of image.writable ?? []) masks.allow(offset, size, mask);
  return {
    write: masks.write,
    clear: masks.clear,
    initial: masks.initial,
    sticky: masks.sticky,
    capabilities,
    extended,
  };
};
