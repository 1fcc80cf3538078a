// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FieldSet, header, type Register, register, type Width } from '../../core/space/declaration.ts';
import type { Behaviour } from '../../quirks/index.ts';
import { FakeDevice, FakeFunction } from '../kit/fake-function.ts';
import { viewOf } from '../kit/guest-view.ts';

const policies = ['readOnly', 'writable', 'clearedByOne', 'emulated', 'shown', 'reserved', 'function'] as const;
type Policy = (typeof policies)[number];
type Size = 1 | 2 | 4;

/** Bits of a register of a quirk that is made up. */
interface Claim {
  readonly policy: Policy;
  /** Random bits; what earlier claims have is taken away. */
  readonly mask: number;
  /** For emulated and shown. */
  readonly value: number;
}

interface Place {
  readonly offset: number;
  readonly width: Width;
  readonly claims: readonly Claim[];
}

type Access = readonly [kind: 'read' | 'write', offset: number, size: Size, value: number];

/** Few registers in little space, so that accesses meet them; the end of config space belongs to it. */
const AREA = [0x40, 0x60, 0xfe0, 0x1000] as const;
const offsetIn = fc.oneof(
  fc.integer({ min: AREA[0], max: AREA[1] - 1 }),
  fc.integer({ min: AREA[2], max: AREA[3] - 1 }),
);

const claims = fc.array(
  fc.record<Claim>({
    policy: fc.constantFrom(...policies),
    mask: fc.integer({ min: 0, max: 0xffffffff }),
    value: fc.integer({ min: 0, max: 0xffffffff }),
  }),
  { minLength: 1, maxLength: 4 },
);
const place = fc.record<Place>({ offset: offsetIn, width: fc.constantFrom<Width>(8, 16, 32), claims });
const access = fc.tuple(
  fc.constantFrom('read' as const, 'write' as const, 'write' as const),
  offsetIn,
  fc.constantFrom<Size>(1, 2, 4),
  fc.integer({ min: 0, max: 0xffffffff }),
);

/** A behaviour that keeps what it is given, so that it can be told bit by bit. */
const keeping = (mask: number): Behaviour => ({
  words: 1,
  read: (at) => at.words[0] as number,
  write: (at, value) => {
    at.words[0] = value & mask;
    return 0;
  },
});

/** Small and good enough generator (mulberry32), for images: a shrunk counterexample then is one number. */
const random = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
};

/** One bit of config space: what it is, what hardware has, what the guest has. */
interface Bit {
  policy: Policy | 'none';
  hardware: number;
  own: number;
  /** Hardware ignores writes. */
  stuck: boolean;
}

/** The specification, one bit at a time: no masks, no dwords, no merging. */
class Model {
  readonly permissive: boolean;
  readonly #image: Uint8Array;
  readonly #stuck: Uint8Array;
  /** Made when they are first looked at: most are never. */
  readonly #bits = new Map<number, Bit>();

  constructor(image: Uint8Array, stuck: Uint8Array, permissive: boolean) {
    this.permissive = permissive;
    this.#image = image.slice();
    this.#stuck = stuck;
  }

  bit(at: number): Bit {
    const known = this.#bits.get(at);
    if (known !== undefined) return known;
    const of = (bytes: Uint8Array): number => ((bytes[at >> 3] as number) >> (at & 7)) & 1;
    const bit: Bit = { policy: 'none', hardware: of(this.#image), own: 0, stuck: of(this.#stuck) === 1 };
    this.#bits.set(at, bit);
    return bit;
  }

  /** What hardware should have now. */
  image(): Uint8Array {
    const image = this.#image.slice();
    for (const [at, { hardware }] of this.#bits) {
      image[at >> 3] = ((image[at >> 3] as number) & ~(1 << (at & 7))) | (hardware << (at & 7));
    }
    return image;
  }

  claim(at: number, policy: Policy, value: number): void {
    const bit = this.bit(at);
    bit.policy = policy;
    if (policy === 'emulated' || policy === 'shown') bit.own = value;
  }

  sees(at: number): number {
    const { policy, own, hardware } = this.bit(at);
    return policy === 'emulated' || policy === 'shown' || policy === 'function' ? own : hardware;
  }

  read(offset: number, size: number): number {
    let value = 0;
    for (let i = 0; i < size * 8; i++) value += this.sees(offset * 8 + i) * 2 ** i;
    return value;
  }

  /** @returns the bits of the access that are refused */
  write(offset: number, size: number, value: number): number {
    let refused = 0;
    for (let i = 0; i < size * 8; i++) {
      const written = Math.floor(value / 2 ** i) % 2;
      const bit = this.bit(offset * 8 + i);
      switch (bit.policy) {
        case 'writable':
          if (!bit.stuck) bit.hardware = written;
          break;
        case 'clearedByOne':
          if (written === 1) bit.hardware = 0;
          break;
        case 'emulated':
        case 'function':
          bit.own = written;
          break;
        case 'reserved':
          break;
        case 'none':
          if (this.permissive && !bit.stuck) bit.hardware = written;
          if (!this.permissive && written !== bit.hardware) refused += 2 ** i;
          break;
        default:
          if (written !== this.sees(offset * 8 + i)) refused += 2 ** i;
      }
    }
    return refused;
  }

  /** Whether the byte has a bit that may reach hardware. */
  open(byte: number): boolean {
    for (let i = 0; i < 8; i++) {
      const { policy } = this.bit(byte * 8 + i);
      if (policy === 'writable' || policy === 'clearedByOne' || (policy === 'none' && this.permissive)) return true;
    }
    return false;
  }
}

/** Declares the registers that fit, and tells the model. */
const declare = (places: readonly Place[], model: Model, clearedByOne: Uint8Array): FieldSet => {
  const registers: Register[] = [];
  const taken = new Set<number>();
  for (const { offset, width, claims } of places) {
    if (offset + width / 8 > 4096) continue;
    let declared = register(offset, width, `register ${registers.length}`);
    let coded = false;
    for (const { policy, mask, value } of claims) {
      if (policy === 'function' && (coded || offset % (width / 8) !== 0)) continue;
      let free = 0;
      for (let i = 0; i < width; i++) {
        if (Math.floor(mask / 2 ** i) % 2 === 1 && !taken.has(offset * 8 + i)) free += 2 ** i;
      }
      if (free === 0) continue;
      for (let i = 0; i < width; i++) {
        if (Math.floor(free / 2 ** i) % 2 === 0) continue;
        const at = offset * 8 + i;
        taken.add(at);
        model.claim(at, policy, Math.floor(value / 2 ** i) % 2);
        if (policy === 'clearedByOne') clearedByOne[at >> 3] = (clearedByOne[at >> 3] as number) | (1 << (at & 7));
      }
      if (policy === 'emulated') declared = declared.emulated(free, value);
      else if (policy === 'shown') declared = declared.shows(value, free);
      else if (policy === 'function') declared = declared.calls(keeping(free), free);
      else declared = declared[policy](free);
      coded ||= policy === 'function';
    }
    if (declared.claims.length > 0) registers.push(declared);
  }
  return header('made up', [0], registers);
};

let accesses = 0;

const check = (seed: number, permissive: boolean, places: readonly Place[], script: readonly Access[]): void => {
  const hardware = new FakeFunction();
  const next = random(seed);
  for (let at = 0; at < 4096; at++) {
    hardware.image[at] = next();
    hardware.readOnly[at] = next() & next() & next();
  }
  // No capability lists, so that the random image means nothing.
  hardware.put(0x04, 4, 0);
  hardware.put(0x100, 4, 0);
  const model = new Model(hardware.image, hardware.readOnly, permissive);
  const set = declare(places, model, hardware.clearedByOne);
  const device = new FakeDevice(hardware);
  device.permissive = permissive;
  const guest = viewOf(device, [set]);

  for (const [kind, anywhere, size, value] of script) {
    accesses++;
    const offset = anywhere - (anywhere % size);
    const name = `${kind} of ${size} at 0x${offset.toString(16)}`;
    if (kind === 'read') {
      const seen = guest.read(offset, size);
      if (seen !== model.read(offset, size)) expect(`${name}: ${seen}`).toBe(`${name}: ${model.read(offset, size)}`);
      continue;
    }
    hardware.forget();
    guest.refused.length = 0;
    const written = size === 4 ? value : value % 2 ** (8 * size);
    // The bits above the size of the access are the guest's rubbish.
    expect(guest.write(offset, size, value)).toBe(0);
    const refused = model.write(offset, size, written);
    const told = guest.refused.reduce((all, { mask }) => (all | mask) >>> 0, 0);
    if (told !== refused) expect(`${name}: refused ${told}`).toBe(`${name}: refused ${refused}`);
    for (const access of hardware.log) {
      if (access.offset < offset || access.offset + access.size > offset + size) expect(access).toBe(`within ${name}`);
      if (access.kind === 'read') continue;
      for (let byte = access.offset; byte < access.offset + access.size; byte++) {
        if (!model.open(byte)) expect(`${name}: byte 0x${byte.toString(16)} written`).toBe('never');
      }
    }
  }
  const expected = model.image();
  const wrong = hardware.image.findIndex((byte, at) => byte !== expected[at]);
  if (wrong >= 0) expect(`byte 0x${wrong.toString(16)}: ${hardware.image[wrong]}`).toBe(`${expected[wrong]}`);
};

/** Accesses per generated device, and devices: 208,000 accesses in every run, as many as ACCESSES says in a nightly one. */
const length = 520;
const wanted = Number(process.env.ACCESSES ?? 208_000);
const runs = Math.ceil(wanted / length);

describe('config space', () => {
  it(`does to each bit what its policy says, for any registers and any ${wanted} accesses`, () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.boolean(),
        fc.array(place, { minLength: 1, maxLength: 16, size: 'max' }),
        fc.array(access, { minLength: length, maxLength: length, size: 'max' }),
        check,
      ),
      { numRuns: runs },
    );
    expect(accesses).toBeGreaterThanOrEqual(wanted);
  }, 600_000);
});
