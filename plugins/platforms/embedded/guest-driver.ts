// SPDX-License-Identifier: MIT

import { Command, Status, statusName } from '../../../core/ring/layout.ts';
import { CommandBit } from './behaviour.ts';
import type { DriverOutcome, GuestConfig, GuestDevice } from './guest-device.ts';
import type { GuestLines } from './guest-lines.ts';
import { CapabilityId, ExtendedId } from './image.ts';

/** MSI-X vectors that the driver asks for, where the function has as many. */
const VECTORS_WANTED = 3;

/** Broadcom network controllers: miscellaneous host control, window base address, window data. */
const tg3Registers = [0x68, 0x78, 0x80] as const;

/** A driver in the guest: what a network driver and the PCI core under it do to config space, and nothing more. */
export class GuestDriver {
  readonly #config: GuestConfig;
  readonly #device: GuestDevice;
  readonly #lines: GuestLines;
  readonly #outcome: DriverOutcome = { interrupts: 'none', vectors: [], refused: [], writes: [] };

  constructor(config: GuestConfig, device: GuestDevice, lines: GuestLines) {
    this.#config = config;
    this.#device = device;
    this.#lines = lines;
    device.driver = this.#outcome;
  }

  /** Switches the device on and takes its interrupts. */
  async start(): Promise<void> {
    await this.#powerUp();
    const decode =
      (this.#device.bars.some((one) => one.kind === 'io') ? CommandBit.io : 0) |
      (this.#device.bars.some((one) => one.kind.startsWith('memory')) ? CommandBit.memory : 0);
    await this.#modify('command', 0x04, 2, (old) => old | decode);
    await this.#modify('command', 0x04, 2, (old) => old | CommandBit.master);
    await this.#write('cache line size', 0x0c, 1, 0x10);
    await this.#write('latency timer', 0x0d, 1, 0x40);
    await this.#express();
    await this.#interrupts();
    if (this.#device.vendor === 0x14e4 && this.#device.class === 0x020000) await this.#tg3();
  }

  /** Gives the interrupts back and stops the device from mastering the bus. */
  async stop(): Promise<void> {
    const kind = this.#outcome.interrupts;
    if (kind === 'msix' || kind === 'msi') {
      await this.#config.command(this.#device, kind === 'msix' ? Command.disableMsix : Command.disableMsi);
      this.#outcome.interrupts = 'none';
    }
    if (kind === 'line') {
      this.#lines.release(this.#device.interruptLine);
      this.#outcome.interrupts = 'none';
    }
    await this.#modify('command', 0x04, 2, (old) => old & ~CommandBit.master);
  }

  async #powerUp(): Promise<void> {
    const at = this.#find(CapabilityId.powerManagement);
    if (at !== undefined) await this.#modify('power state D0', at + 4, 2, (old) => old & ~0x3);
  }

  async #express(): Promise<void> {
    const at = this.#find(CapabilityId.express);
    if (at === undefined) return;
    await this.#modify('PCIe device control', at + 8, 2, (old) => (old & ~0x7000) | 0x2000);
    const aer = this.#device.extended.find((one) => one.id === ExtendedId.aer)?.offset;
    if (aer === undefined) return;
    await this.#modify('AER uncorrectable status', aer + 0x04, 4, (old) => old);
    await this.#modify('AER uncorrectable mask', aer + 0x08, 4, (old) => old | 0x00100000);
    await this.#modify('AER correctable status', aer + 0x10, 4, (old) => old);
  }

  async #interrupts(): Promise<void> {
    if (await this.#msix()) return;
    if (await this.#msi()) return;
    if (this.#device.interruptPin === 0 || this.#device.interruptLine === 0) return;
    const refused = this.#lines.take(this.#device.interruptLine);
    if (refused !== undefined) {
      this.#outcome.refused.push(refused);
      return;
    }
    this.#outcome.interrupts = 'line';
    this.#outcome.vectors = [this.#device.interruptLine];
  }

  async #msix(): Promise<boolean> {
    const at = this.#find(CapabilityId.msix);
    if (at === undefined) return false;
    const control = (await this.#config.read(this.#device, at + 2, 2)) ?? 0;
    const count = Math.min(VECTORS_WANTED, (control & 0x7ff) + 1);
    // The guest's PCI core tries this itself, before and after the request; a back end need not let it.
    await this.#write('MSI-X control', at + 2, 2, control | 0xc000);
    const entries = Array.from({ length: count }, (_, index) => index);
    const answer = await this.#config.command(this.#device, Command.enableMsix, entries);
    if (answer.err !== Status.success || answer.value !== 0 || answer.vectors.includes(0)) {
      this.#outcome.refused.push(`enable_msix: ${statusName(answer.err)}`);
      return false;
    }
    await this.#intxOff();
    await this.#modify('MSI-X control', at + 2, 2, (old) => old & ~0x4000);
    this.#outcome.interrupts = 'msix';
    this.#outcome.vectors = [...answer.vectors];
    return true;
  }

  async #msi(): Promise<boolean> {
    if (this.#find(CapabilityId.msi) === undefined) return false;
    const answer = await this.#config.command(this.#device, Command.enableMsi);
    if (answer.err !== Status.success || answer.value === 0) {
      this.#outcome.refused.push(`enable_msi: ${statusName(answer.err)}`);
      return false;
    }
    await this.#intxOff();
    this.#outcome.interrupts = 'msi';
    this.#outcome.vectors = [answer.value];
    return true;
  }

  async #intxOff(): Promise<void> {
    await this.#modify('command', 0x04, 2, (old) => old | CommandBit.intxDisable);
  }

  async #tg3(): Promise<void> {
    const [control, address, data] = tg3Registers;
    await this.#modify('tg3 MISC_HOST_CTRL', control, 4, (old) => old | 0x98);
    await this.#write('tg3 REG_BASE_ADDR', address, 4, 0x6800);
    await this.#write('tg3 REG_DATA', data, 4, 0x12345678);
  }

  #find(id: number): number | undefined {
    return this.#device.capabilities.find((one) => one.id === id)?.offset;
  }

  async #modify(register: string, offset: number, size: 1 | 2 | 4, change: (old: number) => number): Promise<void> {
    const old = await this.#config.read(this.#device, offset, size);
    if (old !== undefined) await this.#write(register, offset, size, change(old) >>> 0);
  }

  async #write(register: string, offset: number, size: 1 | 2 | 4, value: number): Promise<void> {
    const err = await this.#config.write(this.#device, offset, size, value);
    const readBack = err === Status.success ? await this.#config.read(this.#device, offset, size) : undefined;
    this.#outcome.writes.push({ register, offset, size, value, err, readBack });
  }
}
