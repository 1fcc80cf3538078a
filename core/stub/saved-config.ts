// SPDX-License-Identifier: MIT

import type { PciFunction } from '../platform/pci.ts';
import { CapabilityId, capabilities, extendedCapabilities } from '../space/capabilities.ts';
import { CommandBit, Power, Register } from './registers.ts';

interface SavedRegister {
  readonly offset: number;
  readonly size: 2 | 4;
  readonly value: number;
}

/** How often a register that does not take its value is written again; a device may need time after a reset. */
const TRIES = 10;

const HEADER_BYTES = 0x40;
/** Control words of the PCI Express capability: device, link, slot, root, and the second device and link ones. */
const EXPRESS_CONTROLS = [0x08, 0x10, 0x18, 0x1c, 0x28, 0x30];
/** Extended capabilities with registers that a host restores: AER masks and severities, LTR. */
const EXTENDED_SAVED: Readonly<Record<number, readonly number[]>> = { 1: [0x08, 0x0c, 0x14], 24: [0x04] };

/**
 * The configuration of a function as it was when it was seized: what every guest gets to see first, whatever the one
 * before did (S-8).
 */
export class SavedConfig {
  readonly #registers: readonly SavedRegister[];

  private constructor(registers: readonly SavedRegister[]) {
    this.#registers = registers;
  }

  /** Reads the registers that a host saves. @throws HostError */
  static of(device: PciFunction): SavedConfig {
    const saved: SavedRegister[] = [];
    const keep = (offset: number, size: 2 | 4): void => {
      saved.push({ offset, size, value: device.readConfig(offset, size) >>> 0 });
    };
    keep(Register.command, 2);
    for (let offset = 0x0c; offset < HEADER_BYTES; offset += 4) keep(offset, 4);
    for (const { id, offset } of capabilities(device)) {
      if (id === CapabilityId.powerManagement) keep(offset + Power.control, 2);
      if (id === CapabilityId.pcie) {
        const version = device.readConfig(offset + 2, 2) & 0xf;
        for (const control of EXPRESS_CONTROLS) if (control < 0x28 || version >= 2) keep(offset + control, 2);
      }
    }
    for (const { id, offset } of extendedCapabilities(device, device.identity.configSize)) {
      for (const register of EXTENDED_SAVED[id] ?? []) keep(offset + register, 4);
    }
    return new SavedConfig(saved);
  }

  /**
   * Writes back what differs, from high offsets to low ones, the command register last so that decode comes on only
   * when the BARs are right. Bus mastering stays off.
   *
   * @returns registers that did not take their value, as byte offsets
   * @throws HostError
   */
  restore(device: PciFunction): number[] {
    const stubborn: number[] = [];
    const inOrder = [...this.#registers].sort((a, b) => rank(b) - rank(a));
    for (const { offset, size, value } of inOrder) {
      const wanted = offset === Register.command ? value & ~CommandBit.master : value;
      let tries = 0;
      while (device.readConfig(offset, size) >>> 0 !== wanted && tries < TRIES) {
        device.writeConfig(offset, size, wanted);
        tries++;
      }
      if (tries === TRIES && device.readConfig(offset, size) >>> 0 !== wanted) stubborn.push(offset);
    }
    return stubborn;
  }
}

/** The command register ranks lowest, everything else by its offset. */
const rank = (register: SavedRegister): number => (register.offset === Register.command ? -1 : register.offset);
