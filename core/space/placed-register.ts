// SPDX-License-Identifier: MIT

import { Status } from '../ring/layout.ts';
import type { Place, Wall } from '../wall/wall.ts';
import type { Behaviour, DeviceOperations, RegisterAccess } from './behaviour.ts';
import type { PlacedDescription } from './described-writes.ts';
import { reachOf } from './interpreter.ts';
import { isAnswer, type Outcome } from './outcome.ts';

/** Told what a behaviour refuses of the write that runs now; `mask` counts from the register's own bit 0, unsigned. */
export interface RegisterDenials {
  denied(register: PlacedRegister, mask: number, why: string): void;
}

/** What stands around the code of one device's table, and who has the device. */
export interface CodeTerms {
  readonly wall: Wall;
  /** Domain id. */
  readonly guest?: number | undefined;
}

const SEPARATOR = ': ';

/**
 * The place of code that a table names.
 *
 * @param owner `plugin: set`, or `plugin: set / register`
 * @param member of the set, the register or its behaviour
 */
export const codePlace = (owner: string, member: string, at: Pick<Place, 'device' | 'guest' | 'offset'>): Place => {
  const [plugin = '', ...thing] = owner.split(SEPARATOR);
  const what = thing.length === 0 ? member : `${member} of ${thing.join(SEPARATOR)}`;
  return { plugin, what, ...at, refusals: ['HOST'] };
};

/**
 * A register with code behind some of its bits, placed in one device's config space. Every call of that code goes through
 * it: whatever a behaviour throws or answers is a status, a HostError of the device, or the fault of a named plugin.
 */
export class PlacedRegister implements RegisterAccess {
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
  readonly #code: CodeTerms;
  #denials: RegisterDenials | undefined;

  constructor(
    place: Pick<PlacedRegister, 'offset' | 'size' | 'device' | 'behaviour' | 'owner' | 'mask'>,
    code: CodeTerms,
  ) {
    this.offset = place.offset;
    this.size = place.size;
    this.device = place.device;
    this.behaviour = place.behaviour;
    this.owner = place.owner;
    this.mask = place.mask;
    this.shift = (place.offset & 3) << 3;
    this.reach = reachOf(place.offset, place.size);
    this.#code = code;
  }

  #place(member: keyof Behaviour): Place {
    const device = this.device.hardware.identity.bdf;
    return codePlace(this.owner, member, { device, guest: this.#code.guest, offset: this.offset });
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
      throw this.#code.wall.fault(this.#place('read'), error);
    }
    return Number.isInteger(value) ? value >>> 0 : this.#code.wall.refuse(this.#place('read'), value, 'an integer');
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
      throw this.#code.wall.fault(this.#place('write'), error);
    } finally {
      this.#denials = undefined;
    }
    if (isAnswer(outcome)) return outcome;
    return this.#code.wall.refuse(this.#place('write'), outcome, 'a status or Outcome.later');
  }

  /**
   * What its writes do as things are, as data; `null`: the behaviour has to be asked about each.
   *
   * @throws HostError, PcibackError `PLUGIN_FAULT`
   */
  describe(): PlacedDescription | null {
    const { behaviour, offset, size, shift, mask, reach, words } = this;
    let writes = behaviour.described;
    if (behaviour.describedNow !== undefined) {
      const kind = writes?.kind;
      // What another thread has left is found by the kind that the table knows.
      const shape = {
        expected: `"${kind}" or undefined`,
        fits: (answer: unknown) => answer === undefined || (answer as typeof writes | null)?.kind === kind,
      };
      const ask = () => behaviour.describedNow?.(this);
      writes = this.#code.wall.run(this.#place('describedNow'), ask, shape);
    }
    if (writes === undefined) return null;
    // The state words of a table begin where their memory does.
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

  #run(member: 'attach' | 'close'): void {
    this.#code.wall.run(this.#place(member), () => this.behaviour[member]?.(this));
  }
}
