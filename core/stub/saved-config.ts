// SPDX-License-Identifier: MIT

import { hex } from '../bdf.ts';
import type { SavedRegister } from '../journal.ts';
import type { PciFunction } from '../platform/pci.ts';
import { CapabilityId, capabilities, extendedCapabilities, ListLayout } from '../space/capabilities.ts';
import { CommandBit, Power, Register } from './registers.ts';

/** How often a register that does not take its value is written again; a device may need time after a reset. */
const TRIES = 10;

/** Words of the header with bits that a one clears or that start something, and what is saved of them. */
const HEADER_WORDS: Readonly<Record<0 | 1, Readonly<Record<number, readonly (readonly [number, number])[]>>>> = {
  0: { 12: [[0x0c, 0xffff]] },
  // Of a bridge: secondary status is none of it, and of its control neither the reset of what is below nor a time-out seen.
  1: {
    12: [[0x0c, 0xffff]],
    28: [[0x1c, 0xffff]],
    60: [
      [0x3c, 0xffff],
      [0x3e, 0xfbbf],
    ],
  },
};
const HEADER_BYTES = 0x40;
/**
 * Control words of the PCI Express capability: device, link, slot, root, and the second device and link ones. Not the bits
 * that start a reset of the function or a training of the link.
 */
const EXPRESS_CONTROLS = [0x08, 0x10, 0x18, 0x1c, 0x28, 0x30];
const EXPRESS_STARTS: Readonly<Record<number, number>> = { 8: 0x8000, 16: 0x0020 };
/** Command of PCI-X 2.0, §7.2.3: error recovery, ordering, sizes and counts of its reads. */
const PciX = { id: 0x07, command: 2, mask: 0x007f } as const;
/** Extended capabilities with registers that a host restores: AER masks and severities, LTR. */
const EXTENDED_SAVED: Readonly<Record<number, readonly number[]>> = { 1: [0x08, 0x0c, 0x14], 24: [0x04] };
/** Virtual channels (PCI Express 5.0, §7.9.1): control of the port, and of each channel, twelve bytes apart. */
const Channels = { ids: [2, 8, 9], port: 0x0c, portMask: 0x000e, first: 0x14, apart: 12, mask: 0x870e00ff };

/**
 * The configuration of a function as it was when a guest got it: what every guest gets to see first, whatever the one
 * before did (S-8). The power state, what reports, and what a one clears or starts are no part of it; neither are registers
 * that have no room where a list that is not sound says they are.
 */
export class SavedConfig {
  readonly registers: readonly SavedRegister[];

  constructor(registers: readonly SavedRegister[]) {
    this.registers = registers;
  }

  /** Reads the registers that a host saves. @throws HostError */
  static of(device: PciFunction): SavedConfig {
    const saved: SavedRegister[] = [];
    const { configSize, headerType } = device.identity;
    let end: number = ListLayout.extended;
    const keep = (offset: number, size: 2 | 4, mask = size === 2 ? 0xffff : 0xffffffff, kept = 0): void => {
      if (offset + size > end) return;
      saved.push({ offset, size, mask, kept, value: (device.readConfig(offset, size) & mask) >>> 0 });
    };
    keep(Register.command, 2);
    for (let offset = 0x0c; offset < HEADER_BYTES; offset += 4) {
      const words = HEADER_WORDS[headerType === 1 ? 1 : 0][offset];
      if (words === undefined) keep(offset, 4);
      for (const [at, mask] of words ?? []) keep(at, 2, mask);
    }
    for (const { id, offset } of capabilities(device)) {
      if (id === CapabilityId.powerManagement) keep(offset + Power.control, 2, Power.saved, Power.stateMask);
      if (id === PciX.id && headerType === 0) keep(offset + PciX.command, 2, PciX.mask);
      if (id === CapabilityId.pcie) {
        const version = device.readConfig(offset + 2, 2) & 0xf;
        for (const control of EXPRESS_CONTROLS)
          if (control < 0x28 || version >= 2) keep(offset + control, 2, 0xffff & ~(EXPRESS_STARTS[control] ?? 0));
      }
    }
    end = configSize;
    for (const { id, offset } of extendedCapabilities(device, configSize)) {
      for (const register of EXTENDED_SAVED[id] ?? []) keep(offset + register, 4);
      if (!Channels.ids.includes(id) || offset + 8 > end) continue;
      keep(offset + Channels.port, 2, Channels.portMask);
      const more = device.readConfig(offset + 4, 4) & 7;
      for (let i = 0; i <= more; i++) keep(offset + Channels.first + i * Channels.apart, 4, Channels.mask);
    }
    return new SavedConfig(saved);
  }

  /**
   * Writes back what differs, from high offsets to low ones, the command register last so that decode comes on only
   * when the BARs are right. Bus mastering stays off.
   *
   * @returns registers that did not take their value, as `0x44`
   * @throws HostError
   */
  restore(device: PciFunction): string[] {
    const stubborn: string[] = [];
    const inOrder = [...this.registers].sort((a, b) => rank(b) - rank(a));
    for (const { offset, size, mask, kept, value } of inOrder) {
      const wanted = offset === Register.command ? value & ~CommandBit.master : value;
      for (let tries = 0; ; tries++) {
        const now = device.readConfig(offset, size);
        if ((now & mask) >>> 0 === wanted) break;
        if (tries < TRIES) device.writeConfig(offset, size, (wanted | (now & kept)) >>> 0);
        else {
          stubborn.push(`0x${hex(offset, 2)}`);
          break;
        }
      }
    }
    return stubborn;
  }
}

/** The command register ranks lowest, everything else by its offset. */
const rank = (register: SavedRegister): number => (register.offset === Register.command ? -1 : register.offset);
