// SPDX-License-Identifier: MIT

import { formatBdf, hex } from '../../../core/bdf.ts';
import {
  Errno,
  HostError,
  type PciIdentity,
  type PciResource,
  type ResetOutcome,
  ResourceFlag,
} from '../../../core/platform/index.ts';
import { type Behaviour, behaviourOf, CommandBit } from './behaviour.ts';
import { CapabilityId, type DeviceImage, put, readsOnes, u16, u32 } from './image.ts';
import type { LineSource } from './lines.ts';
import type { HostFunction } from './pirqs.ts';
import { createVpd, type Vpd } from './vpd.ts';

/** What can be made to fail. */
export type FaultKind = 'read' | 'write' | 'reset';

/** How often a function was used. */
export interface AccessCounters {
  reads: number;
  writes: number;
  resets: number;
}

export interface ModelEvents {
  /** A call that breaks an obligation of the platform interfaces. */
  illegal(line: string): void;
  note(line: string): void;
  /** The function may drive its interrupt line from now on. */
  line?(model: PciModel): void;
}

/** Status register: Interrupt Status, which tells of a request for service even where INTX_DISABLE keeps the line free. */
const INTERRUPT_STATUS = 0x08;

const silent: ModelEvents = { illegal: () => undefined, note: () => undefined };

interface Effect {
  readonly offset: number;
  readonly size: number;
  /** Runs after the write: the register's old value, and what was written to it, 0 where no byte was. */
  run(before: number, written: number): void;
}

interface Fault {
  readonly errno: number;
  left: number;
}

/**
 * One PCI function that behaves like hardware.
 *
 * BARs answer sizing by their real size, status bits are write-1-to-clear, power states and resets lose what they lose
 * on hardware, the VPD window works. Xen's own rule is applied on top: of an MSI-X capability only the control word can
 * be written, by a 16-bit write, and of a maskable MSI capability in use only control and mask.
 */
export class PciModel implements HostFunction, LineSource {
  readonly identity: PciIdentity;
  readonly image: DeviceImage;
  resources: readonly PciResource[];
  readonly line: number;
  readonly msi: boolean;
  readonly msix: { readonly entries: number; readonly tableBar: number } | undefined;
  readonly counters: AccessCounters = { reads: 0, writes: 0, resets: 0 };
  /** Whether nobody answers: every read gives ones, every write is lost. */
  isSilent: boolean;
  /** How long a reset takes, during which nobody answers. Missing: it is over at once. */
  resetTakes: (() => Promise<void>) | undefined;
  /** The physical function of a virtual one, where the platform has it. */
  physical: PciModel | undefined;
  readonly #config: Uint8Array;
  readonly #behaviour: Behaviour;
  readonly #effects: readonly Effect[];
  /** Marks bytes with an effect, so that plain writes need not look through the list. */
  readonly #effectAt: Uint8Array;
  readonly #msiAt: number;
  readonly #msixAt: number;
  readonly #power: number;
  readonly #vpd: Vpd | undefined;
  readonly #events: ModelEvents;
  readonly #faults = new Map<FaultKind, Fault>();

  constructor(image: DeviceImage, events: ModelEvents = silent) {
    this.image = image;
    this.#events = events;
    this.#config = image.config.slice();
    this.#behaviour = behaviourOf(image);
    this.identity = identityOf(image);
    this.resources = image.resources;
    this.line = image.line;
    this.isSilent = readsOnes(image.config);
    const at = (id: number): number => this.#behaviour.capabilities.find((one) => one.id === id)?.offset ?? 0;
    this.#msiAt = at(CapabilityId.msi);
    this.#msixAt = at(CapabilityId.msix);
    this.#power = at(CapabilityId.powerManagement);
    this.msi = this.#msiAt !== 0;
    this.msix =
      this.#msixAt === 0
        ? undefined
        : {
            entries: (u16(image.config, this.#msixAt + 2) & 0x7ff) + 1,
            tableBar: u32(image.config, this.#msixAt + 4) & 7,
          };
    const vpdAt = at(CapabilityId.vpd);
    this.#vpd = vpdAt === 0 ? undefined : createVpd(this.#config, vpdAt, image.vpd ?? new Uint8Array(0));
    this.#effects = this.#makeEffects();
    this.#effectAt = new Uint8Array(this.#config.length);
    for (const effect of this.#effects) this.#effectAt.fill(1, effect.offset, effect.offset + effect.size);
  }

  get bdf() {
    return this.image.bdf;
  }

  readConfig(offset: number, size: 1 | 2 | 4): number {
    this.counters.reads += 1;
    this.#check('read', offset, size);
    if (this.isSilent) return 2 ** (8 * size) - 1;
    const value = this.peek(offset, size);
    if (this.#vpd) this.#vpd.afterRead(offset, size);
    return value;
  }

  writeConfig(offset: number, size: 1 | 2 | 4, value: number): void {
    this.counters.writes += 1;
    this.#check('write', offset, size);
    if (this.isSilent) return;
    this.#checkInterruptCapabilities(offset, size);
    if (!this.#effectAt[offset] && !this.#effectAt[offset + size - 1]) {
      this.#store(offset, size, value);
      return;
    }
    const effects = this.#effectsIn(offset, size);
    const before = effects.map((one) => this.peek(one.offset, one.size));
    this.#store(offset, size, value);
    effects.forEach((one, index) => {
      const shift = 8 * (offset - one.offset);
      one.run(before[index] ?? 0, shift >= 0 ? value << shift : value >>> -shift);
    });
  }

  /** Changes the bits that a write reaches. */
  #store(offset: number, size: number, value: number): void {
    const { write, clear } = this.#behaviour;
    for (let i = 0; i < size; i += 1) {
      const here = offset + i;
      const byte = (value >>> (8 * i)) & 0xff;
      const mask = write[here] ?? 0;
      this.#config[here] = ((this.#config[here] ?? 0) & ~mask & ~((clear[here] ?? 0) & byte)) | (byte & mask);
    }
  }

  async reset(without: readonly string[] = []): Promise<ResetOutcome> {
    this.counters.resets += 1;
    const method = this.resetMethods().find((name) => !without.includes(name));
    if (method === undefined) {
      const left =
        this.resetMethods().length > 0 ? `has none but ${without.join(', ')}` : 'has neither FLR nor a PM reset';
      return { ok: false, reason: 'unsupported', detail: `${formatBdf(this.bdf)} ${left}` };
    }
    if (this.#takeFault('reset') !== undefined) {
      this.#events.note(`reset ${formatBdf(this.bdf)}: failed`);
      return { ok: false, reason: 'failed', detail: `${method} did not complete` };
    }
    this.#events.note(`reset ${formatBdf(this.bdf)} ${method}`);
    if (this.resetTakes !== undefined && !this.isSilent) {
      this.isSilent = true;
      await this.resetTakes();
      this.isSilent = false;
    }
    this.#loseState();
    return { ok: true, method };
  }

  /** A reset of the link above the function. @returns whether the function came back */
  hotReset(): boolean {
    this.counters.resets += 1;
    const failed = this.#takeFault('reset') !== undefined;
    this.#events.note(`reset ${formatBdf(this.bdf)} ${failed ? 'link: failed' : 'link'}`);
    if (!failed) this.#loseState();
    return !failed;
  }

  /** Where a capability is; `undefined` for one that the function does not have. */
  capability(id: number): number | undefined {
    return this.#behaviour.capabilities.find((one) => one.id === id)?.offset;
  }

  extendedCapability(id: number): number | undefined {
    return this.#behaviour.extended.find((one) => one.id === id)?.offset;
  }

  /** Of `flr`, `af_flr` and `pm` those that it has, in the order in which a host tries them. */
  resetMethods(): string[] {
    const { capabilities } = this.#behaviour;
    const config = this.image.config;
    const at = (id: number) => capabilities.find((one) => one.id === id)?.offset;
    const express = at(CapabilityId.express);
    const features = at(CapabilityId.advancedFeatures);
    return [
      ...(express !== undefined && u32(config, express + 4) & 0x10000000 ? ['flr'] : []),
      ...(features !== undefined && ((config[features + 3] ?? 0) & 0x2) !== 0 ? ['af_flr'] : []),
      ...(this.#power !== 0 && (u16(config, this.#power + 4) & 0x8) === 0 ? ['pm'] : []),
    ];
  }

  /** Reads without an access: no counter, no fault, no effect. */
  peek(offset: number, size: number): number {
    const config = this.#config;
    if (size === 1) return config[offset] ?? 0;
    return size === 2 ? u16(config, offset) : u32(config, offset);
  }

  /** Changes bytes as the device itself would, e.g. sets an error status bit. */
  poke(offset: number, size: number, value: number): void {
    put(this.#config, offset, size, value);
  }

  /** A copy of config space as it is now. */
  snapshot(): Uint8Array {
    return this.#config.slice();
  }

  /**
   * Fault injection: the next `times` operations of this kind fail; config accesses with `errno`.
   *
   * A failing reset leaves the function as it was.
   */
  failNext(kind: FaultKind, errno: number = Errno.EIO, times = 1): void {
    this.#faults.set(kind, { errno, left: times });
  }

  /** The host moves a BAR: its own record and the register change together. */
  moveBar(index: number, start: bigint): void {
    this.resources = this.resources.map((one, at) => (at === index ? { ...one, start } : one));
    if (this.image.virtualFunction) return;
    const { flags } = this.resources[index] ?? { flags: 0 };
    const at = 0x10 + 4 * index;
    this.poke(at, 4, Number(start & 0xffffffffn) | (flags & ResourceFlag.typeBits));
    if (flags & ResourceFlag.memory64) this.poke(at + 4, 4, Number(start >> 32n));
  }

  barStart(index: number): bigint {
    return this.resources[index]?.start ?? 0n;
  }

  memoryDecode(): boolean {
    if (this.image.virtualFunction) return this.physical?.memoryDecode() ?? true;
    return (this.peek(0x04, 2) & CommandBit.memory) !== 0;
  }

  /** The device asks for service, by its line if it may. */
  raiseLine(): void {
    this.poke(0x06, 1, this.peek(0x06, 1) | INTERRUPT_STATUS);
    this.#events.line?.(this);
  }

  /** The device has been served. */
  lowerLine(): void {
    this.poke(0x06, 1, this.peek(0x06, 1) & ~INTERRUPT_STATUS);
  }

  get drivesLine(): boolean {
    const asks = (this.peek(0x06, 1) & INTERRUPT_STATUS) !== 0 && this.peek(0x3d, 1) !== 0;
    return asks && (this.peek(0x04, 2) & CommandBit.intxDisable) === 0 && !this.#sendsMessages;
  }

  get #sendsMessages(): boolean {
    const [msi, msix] = [this.#msiAt, this.#msixAt];
    return (msi !== 0 && (this.peek(msi + 2, 2) & 1) !== 0) || (msix !== 0 && (this.peek(msix + 2, 2) & 0x8000) !== 0);
  }

  #check(kind: 'read' | 'write', offset: number, size: number): void {
    if (offset < 0 || offset + size > this.#config.length || offset % size !== 0 || ![1, 2, 4].includes(size)) {
      this.#events.illegal(`config ${kind} ${formatBdf(this.bdf)} offset ${offset} size ${size}`);
      throw new HostError(`config ${kind}`, Errno.EINVAL, `offset 0x${hex(offset, 2)}, size ${size}`);
    }
    const errno = this.#faults.size === 0 ? undefined : this.#takeFault(kind);
    if (errno !== undefined) {
      throw new HostError(`config ${kind}`, errno, `${formatBdf(this.bdf)} at 0x${hex(offset, 2)}`);
    }
  }

  #takeFault(kind: FaultKind): number | undefined {
    const fault = this.#faults.get(kind);
    if (!fault) return undefined;
    fault.left -= 1;
    if (fault.left <= 0) this.#faults.delete(kind);
    return fault.errno;
  }

  #checkInterruptCapabilities(offset: number, size: number): void {
    const end = offset + size;
    const msix = this.#msixAt;
    if (msix !== 0 && end > msix && offset < msix + 12 && !(offset === msix + 2 && size === 2)) {
      throw new HostError('config write', Errno.EACCES, `MSI-X capability at 0x${hex(offset, 2)}`);
    }
    const msi = this.#msiAt;
    if (msi === 0) return;
    const control = this.peek(msi + 2, 2);
    if ((control & 0x101) !== 0x101) return;
    const mask = msi + (control & 0x80 ? 0x10 : 0xc);
    const allowed = (offset === msi + 2 && size === 2) || (offset === mask && size === 4);
    if (end > msi && offset < mask + 8 && !allowed) {
      throw new HostError('config write', Errno.EACCES, `MSI capability at 0x${hex(offset, 2)}`);
    }
  }

  #effectsIn(offset: number, size: number): Effect[] {
    return this.#effects.filter((one) => one.offset < offset + size && one.offset + one.size > offset);
  }

  #makeEffects(): Effect[] {
    const effects: Effect[] = [];
    const config = this.#config;
    for (const { id, offset } of this.#behaviour.capabilities) {
      if (id === CapabilityId.powerManagement) {
        effects.push({ offset: offset + 4, size: 2, run: (before) => this.#powerWritten(offset, before) });
      }
      if (id === CapabilityId.express && u32(config, offset + 4) & 0x10000000) {
        effects.push({ offset: offset + 8, size: 2, run: (_, written) => this.#initiate(written & 0x8000) });
      }
      if (id === CapabilityId.advancedFeatures && ((config[offset + 3] ?? 0) & 0x2) !== 0) {
        effects.push({ offset: offset + 4, size: 1, run: (_, written) => this.#initiate(written & 0x1) });
      }
      if (id === CapabilityId.vpd && this.#vpd) {
        const vpd = this.#vpd;
        effects.push({ offset: offset + 2, size: 2, run: () => vpd.addressWritten() });
      }
    }
    effects.push({ offset: 0x04, size: 2, run: () => this.#events.line?.(this) });
    // A self test that ends at once, without a failure code.
    if ((config[0x0f] ?? 0) & 0x80) effects.push({ offset: 0x0f, size: 1, run: () => put(config, 0x0f, 1, 0x80) });
    return effects;
  }

  /** A reset that software starts by a bit of config space. */
  #initiate(bit: number): void {
    if (bit === 0) return;
    this.#events.note(`reset ${formatBdf(this.bdf)} by config write`);
    this.#loseState();
  }

  #powerWritten(at: number, before: number): void {
    const capabilities = u16(this.#config, at + 2);
    const control = u16(this.#config, at + 4);
    const [from, to] = [before & 3, control & 3];
    const supported = to === 0 || to === 3 || (capabilities & (to === 1 ? 0x200 : 0x400)) !== 0;
    // Only D0 can be reached from a deeper state; hardware ignores what it cannot do.
    if (!supported || (to !== 0 && to < from)) put(this.#config, at + 4, 2, (control & ~3) | from);
    else if (from === 3 && to === 0 && (control & 0x8) === 0) this.#loseState();
  }

  /** What a function-level reset and the way out of D3hot do to config space. */
  #loseState(): void {
    const { write, clear, initial, sticky } = this.#behaviour;
    this.lowerLine();
    for (let i = 0; i < this.#config.length; i += 1) {
      const state = ((write[i] ?? 0) | (clear[i] ?? 0)) & ~(sticky[i] ?? 0);
      this.#config[i] = ((this.#config[i] ?? 0) & ~state) | ((initial[i] ?? 0) & state);
    }
  }
}

/** What the host established about a function, from its image. */
export const identityOf = (image: DeviceImage): PciIdentity => {
  const { config } = image;
  const headerType = (config[0x0e] ?? 0) & 0x7f;
  return {
    bdf: image.bdf,
    vendor: image.vendor,
    device: image.device,
    subsystemVendor: headerType === 0 ? u16(config, 0x2c) : 0,
    subsystemDevice: headerType === 0 ? u16(config, 0x2e) : 0,
    class: u32(config, 0x08) >>> 8,
    revision: config[0x08] ?? 0,
    headerType,
    configSize: config.length >= 4096 ? 4096 : 256,
    virtualFunction: image.virtualFunction,
    ...(image.physicalFunction === undefined ? {} : { physicalFunction: image.physicalFunction }),
  };
};
