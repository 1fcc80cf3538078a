// SPDX-License-Identifier: MIT

import type { PciFunction } from '../platform/pci.ts';
import { Status } from '../ring/layout.ts';
import type { Behaviour, DeviceOperations, RegisterAccess } from './behaviour.ts';
import type { PlacedDescription } from './described-writes.ts';
import { answered, type CodePlace, threw } from './fault.ts';
import { reachOf } from './interpreter.ts';
import { isAnswer, type Outcome } from './outcome.ts';

/** Told what a behaviour refuses of the write that runs now; `mask` counts from the register's own bit 0, unsigned. */
export interface RegisterDenials {
  denied(register: PlacedRegister, mask: number, why: string): void;
}

/**
 * A register with code behind some of its bits, placed in one device's config space. Every call of that code goes through
 * it: whatever a behaviour throws or answers is a status, a HostError of the device, or the fault of a named plugin.
 */
export class PlacedRegister implements RegisterAccess, CodePlace {
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  readonly device: DeviceOperations;
  readonly behaviour: Behaviour;
  /** `plugin: set / register`. */
  readonly owner: string;
  /** Bits of the register that the behaviour owns, unsigned. */
  readonly mask: number;
  /** Bit position of the register in its dword. */
  readonly shift: number;
  /** All bits of the register, in their place in the dword. */
  readonly reach: number;
  words: Uint32Array = new Uint32Array(0);
  #denials: RegisterDenials | undefined;

  constructor(place: Pick<PlacedRegister, 'offset' | 'size' | 'device' | 'behaviour' | 'owner' | 'mask'>) {
    this.offset = place.offset;
    this.size = place.size;
    this.device = place.device;
    this.behaviour = place.behaviour;
    this.owner = place.owner;
    this.mask = place.mask;
    this.shift = (place.offset & 3) << 3;
    this.reach = reachOf(place.offset, place.size);
  }

  get function(): PciFunction {
    return this.device.hardware;
  }

  /** Whether this is the register `other` in another table: then its state can go on. */
  isSameAs(other: PlacedRegister): boolean {
    return this.behaviour === other.behaviour && this.offset === other.offset && this.owner === other.owner;
  }

  read(): number {
    return this.device.hardware.readConfig(this.offset, this.size) >>> 0;
  }

  write(value: number): void {
    this.device.hardware.writeConfig(this.offset, this.size, value >>> 0);
  }

  /** Outside of a guest's write to this register there is nothing to refuse: then it is ignored. */
  deny(mask: number, why: string): void {
    this.#denials?.denied(this, mask >>> 0, why);
  }

  /** @throws HostError, PcibackError `PLUGIN_FAULT` */
  attach(): void {
    this.#run('attach');
  }

  /** The register as the guest sees it, unsigned. @throws HostError, PcibackError `PLUGIN_FAULT` */
  view(): number {
    const { behaviour } = this;
    if (behaviour.read === undefined) return this.read();
    let value: number;
    try {
      value = behaviour.read(this);
    } catch (error) {
      return threw(this, 'read', error);
    }
    return Number.isInteger(value) ? value >>> 0 : answered(this, 'read', value, 'an integer');
  }

  /**
   * A guest's write.
   *
   * @param value merged to the whole register, unsigned
   * @param denials told what the behaviour refuses of it
   * @throws HostError, PcibackError `PLUGIN_FAULT`
   */
  take(value: number, denials: RegisterDenials): Outcome {
    const { behaviour } = this;
    if (behaviour.write === undefined) {
      const refused = ((this.view() ^ value) & this.mask) >>> 0;
      if (refused !== 0) denials.denied(this, refused, 'read-only');
      return Status.success;
    }
    let outcome: Outcome;
    this.#denials = denials;
    try {
      outcome = behaviour.write(this, value);
    } catch (error) {
      return threw(this, 'write', error);
    } finally {
      this.#denials = undefined;
    }
    return isAnswer(outcome) ? outcome : answered(this, 'write', outcome, 'a status or Outcome.later');
  }

  /**
   * What its writes do as things are, as data; `null`: the behaviour has to be asked about each.
   *
   * @throws HostError, PcibackError `PLUGIN_FAULT`
   */
  describe(): PlacedDescription | null {
    const { behaviour, offset, size, shift, mask, reach, words } = this;
    let writes = behaviour.described;
    try {
      if (behaviour.describedNow !== undefined) writes = behaviour.describedNow(this);
    } catch (error) {
      return threw(this, 'describedNow', error);
    }
    if (writes === undefined) return null;
    // What another thread has left is found by the kind that the table knows.
    if (writes?.kind !== behaviour.described?.kind) {
      return answered(this, 'describedNow', writes, `"${behaviour.described?.kind}" or undefined`);
    }
    const base = words.byteOffset / words.BYTES_PER_ELEMENT;
    return { writes, base, mask: mask << shift, reach, shift, offset, size };
  }

  /** Whether a write that another thread answered has put something off. */
  get isClosing(): boolean {
    const { described } = this.behaviour;
    return described?.kind === 'gated' && this.words[described.closing] !== 0;
  }

  /** Does what was put off. @throws HostError, PcibackError `PLUGIN_FAULT` */
  close(): void {
    const { described } = this.behaviour;
    if (described?.kind === 'gated') this.words[described.closing] = 0;
    this.#run('close');
  }

  /** Members that answer nothing: what they do has to be done when they return. */
  #run(member: 'attach' | 'close'): void {
    let answer: unknown;
    try {
      answer = this.behaviour[member]?.(this);
    } catch (error) {
      threw(this, member, error);
    }
    if (answer instanceof Promise) answered(this, member, answer, 'nothing');
  }
}
