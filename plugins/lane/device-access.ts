// SPDX-License-Identifier: MIT

import { Status } from '../../core/ring/layout.ts';
import type { Request } from '../../core/ring/request.ts';
import type { Refusals } from '../../core/space/refusals.ts';
import type { DeviceView } from '../../core/space/views.ts';
import { QuietRegister } from './quiet-register.ts';

/** Config space of functions, as a lane gets at it. Both throw when the host refuses. */
export interface Hardware {
  read(file: number, offset: number, size: 1 | 2 | 4): number;
  write(file: number, offset: number, size: 1 | 2 | 4, value: number): void;
}

/** Instead of a status: the control thread has to do it. */
export const NEEDS_CODE = 1;

const MOST = 0xffffffff;
const NO_BITS = new Int32Array(0);
const sizeMask = (size: number): number => (size === 4 ? -1 : size === 2 ? 0xffff : 0xff);

/** Whether each byte that has bits in `lane` has one in `mask` too. */
const coversEachByte = (mask: number, lane: number): boolean => {
  for (let shift = 0; shift < 32; shift += 8) {
    if (((lane >>> shift) & 0xff) !== 0 && ((mask >>> shift) & 0xff) === 0) return false;
  }
  return true;
};

const countBytes = (counts: Uint32Array, offset: number, size: number): void => {
  for (let byte = offset; byte < offset + size; byte++) {
    const count = counts[byte] as number;
    if (count !== MOST) counts[byte] = count + 1;
  }
};

/**
 * One device as a lane reaches it: what the compiled table says about an access, without the code behind it. It follows
 * `ConfigSpace` of core/space bit for bit, and where it cannot it says so before anything has changed.
 *
 * The view is taken apart: all devices have one shape then, also the one that the lane rehearses with.
 */
export class DeviceAccess {
  readonly #hardware: Hardware;
  readonly #size: number;
  readonly #file: number;
  readonly #shadowed: Int32Array;
  readonly #shadow: Int32Array;
  readonly #answered: Int32Array;
  readonly #reads: Uint32Array;
  /** The function's config space in the widths of an access. */
  readonly #mapped: boolean;
  readonly #bytes: Uint8Array;
  readonly #halves: Uint16Array;
  readonly #dwords: Int32Array;
  /** Whether writes are done here at all. */
  readonly #writes: boolean;
  readonly #writable: Int32Array;
  readonly #ones: Int32Array;
  readonly #own: Int32Array;
  readonly #reserved: Int32Array;
  readonly #coded: Int32Array;
  readonly #behind: Uint8Array;
  readonly #counts: Uint32Array;
  readonly #quiet: readonly (QuietRegister | null)[];

  /** @param page memory of the function's config space; undefined: it is not mapped */
  constructor(view: DeviceView, hardware: Hardware, page: ArrayBufferLike | undefined) {
    this.#hardware = hardware;
    this.#size = view.size;
    this.#file = view.file;
    this.#shadowed = view.shadowed;
    this.#shadow = view.shadow;
    this.#answered = view.answered;
    this.#reads = view.reads;
    this.#mapped = page !== undefined;
    const memory = page ?? new ArrayBuffer(0);
    this.#bytes = new Uint8Array(memory);
    this.#halves = new Uint16Array(memory);
    this.#dwords = new Int32Array(memory);
    const { writes } = view;
    this.#writes = writes !== undefined;
    this.#writable = writes?.writable ?? NO_BITS;
    this.#ones = writes?.ones ?? NO_BITS;
    this.#own = writes?.own ?? NO_BITS;
    this.#reserved = writes?.reserved ?? NO_BITS;
    this.#coded = writes?.coded ?? NO_BITS;
    this.#behind = writes?.behind ?? new Uint8Array(0);
    this.#counts = writes?.counts ?? new Uint32Array(0);
    this.#quiet = Array.from({ length: view.size >> 2 }, (_, at) => {
      const placed = writes?.quiet[at];
      return writes === undefined || !placed ? null : new QuietRegister(placed, writes.words);
    });
  }

  /** Whether a gate waits to be closed. */
  get isClosing(): boolean {
    return this.#quiet.some((one) => one?.isClosing === true);
  }

  /** Whether the guest's numbers name an access inside of this config space (S-1). */
  #accepts(offset: number, size: number): size is 1 | 2 | 4 {
    return (
      (size === 1 || size === 2 || size === 4) &&
      offset >= 0 &&
      offset + size <= this.#size &&
      (offset & (size - 1)) === 0
    );
  }

  /** @returns a bit pattern of `size` bytes @throws when the host refuses */
  #readHardware(offset: number, size: 1 | 2 | 4): number {
    if (this.#mapped) {
      // Atomic, because the compiler may leave out or repeat a plain load: for it this is memory like any other.
      const value =
        size === 4
          ? Atomics.load(this.#dwords, offset >> 2)
          : size === 2
            ? Atomics.load(this.#halves, offset >> 1)
            : Atomics.load(this.#bytes, offset);
      // All ones: nobody has answered, which the host may be able to tell from a value.
      if (value !== sizeMask(size)) return value;
    }
    return this.#hardware.read(this.#file, offset, size);
  }

  /** Answers a read. @returns a protocol status, or {@link NEEDS_CODE} */
  read(request: Request): number {
    const { offset, size } = request;
    if (!this.#accepts(offset, size)) {
      request.value = 0;
      return Status.invalidOffset;
    }
    const at = offset >> 2;
    const shift = (offset & 3) << 3;
    const lane = sizeMask(size) << shift;
    const shadowed = (this.#shadowed[at] as number) & lane;
    let view = (this.#shadow[at] as number) & shadowed;
    if (shadowed !== lane) {
      if (((this.#answered[at] as number) & lane & ~shadowed) !== 0 || this.#file < 0) return NEEDS_CODE;
      try {
        view |= (this.#readHardware(offset, size) << shift) & lane & ~shadowed;
      } catch {
        // The control thread meets the same refusal, and reports it.
        return NEEDS_CODE;
      }
    }
    request.value = (view >>> shift) & sizeMask(size);
    countBytes(this.#reads, offset, size);
    return Status.success;
  }

  /**
   * Does a write.
   *
   * @param address of the device, as in the view
   * @returns a protocol status, or {@link NEEDS_CODE}
   */
  write(request: Request, address: number, refusals: Refusals): number {
    const { offset, size } = request;
    if (!this.#accepts(offset, size)) return Status.invalidOffset;
    if (!this.#writes) return NEEDS_CODE;
    try {
      return this.#write(offset, size, request.bits, address, refusals);
    } catch {
      // The control thread meets the same refusal, and reports it.
      return NEEDS_CODE;
    }
  }

  #write(offset: number, size: 1 | 2 | 4, bits: number, address: number, refusals: Refusals): number {
    const at = offset >> 2;
    const shift = (offset & 3) << 3;
    const lane = sizeMask(size) << shift;
    const written = (bits << shift) & lane;
    const coded = (this.#coded[at] as number) & lane;
    const through = ((this.#writable[at] as number) | (this.#ones[at] as number)) & lane;
    const own = (this.#own[at] as number) & lane;
    const quiet = this.#quiet[at] ?? null;
    if (coded !== 0 && (quiet === null || (coded & ~quiet.mask) !== 0)) return NEEDS_CODE;
    // A write to hardware may change what a register beside it shows; one in parts is rare.
    if (through !== 0 && (this.#behind[at] === 1 || this.#file < 0 || !coversEachByte(through, lane))) {
      return NEEDS_CODE;
    }
    const settled = through | own | coded | ((this.#reserved[at] as number) & lane);
    let place = -1;
    if (settled !== lane) {
      const unsettled = lane & ~settled;
      const shadowed = (this.#shadowed[at] as number) & unsettled;
      let view = (this.#shadow[at] as number) & shadowed;
      if (shadowed !== unsettled) {
        if (((this.#answered[at] as number) & unsettled & ~shadowed) !== 0 || this.#file < 0) return NEEDS_CODE;
        view |= (this.#readHardware(offset, size) << shift) & unsettled & ~shadowed;
      }
      const refused = (written ^ view) & unsettled;
      if (refused !== 0) {
        place = refusals.placeFor(address, offset, size, (refused >>> shift) | 0);
        if (place < 0) return NEEDS_CODE;
      }
    }
    let status: number = Status.success;
    if (coded !== 0 && quiet !== null) {
      if (!quiet.isFixed) {
        if (!this.#takesQuietly(quiet, at, written, lane)) return NEEDS_CODE;
      } else {
        // Nothing of this write goes to hardware: the register has whole bytes, in which no bit is writable.
        if (this.#file < 0) return NEEDS_CODE;
        const change = this.#changeOf(quiet, written) & lane;
        if (change !== 0) {
          // A write with two refusals is rare.
          if (place >= 0) return NEEDS_CODE;
          place = refusals.placeFor(address, offset, size, (change >>> shift) | 0);
          if (place < 0) return NEEDS_CODE;
          status = Status.accessDenied;
        }
      }
    }
    if (through !== 0) this.#through(offset, size, written, through);
    if (own !== 0) this.#shadow[at] = ((this.#shadow[at] as number) & ~own) | (written & own);
    if (place >= 0) refusals.note(place, (written >>> shift) & sizeMask(size));
    countBytes(this.#counts, offset, size);
    return status;
  }

  /** Passes writable bits on in one access, in which each byte has one. */
  #through(offset: number, size: 1 | 2 | 4, written: number, through: number): void {
    const shift = (offset & 3) << 3;
    const lane = sizeMask(size) << shift;
    let value = written;
    if (((this.#writable[offset >> 2] as number) & lane) !== lane) {
      const old = this.#readHardware(offset, size) << shift;
      value = (old & ~through) | (written & through);
    }
    this.#hardware.write(this.#file, offset, size, (value & lane) >>> shift);
  }

  /** The bits of a register in which what is written differs from what hardware has, in their place in the dword. */
  #changeOf(quiet: QuietRegister, written: number): number {
    const { offset, size, mask } = quiet;
    return (written ^ (this.#readHardware(offset, size) << ((offset & 3) << 3))) & mask;
  }

  /** Does what is written to a register with a behaviour, if its description covers it; else nothing. */
  #takesQuietly(quiet: QuietRegister, at: number, written: number, lane: number): boolean {
    if (!quiet.hasContent) return quiet.takes(0, written);
    const { reach } = quiet;
    // What a narrow access leaves out stays as the register shows it.
    if (((this.#shadowed[at] as number) & reach) !== reach) return false;
    const before = (this.#shadow[at] as number) & reach;
    const now = (before & ~lane) | (written & reach);
    if (quiet.putsBack(now)) {
      if (this.#file < 0) return false;
      const held = this.#readHardware(quiet.offset, quiet.size) << ((quiet.offset & 3) << 3);
      if ((held & reach) !== now) return false;
    }
    const sent = quiet.sends(before, now);
    if (sent !== 0) {
      if (this.#file < 0) return false;
      // First what the host may refuse.
      const held = this.#send(quiet, sent, now);
      quiet.takes(before, now);
      this.#shadow[at] = ((this.#shadow[at] as number) & ~reach) | (held & quiet.real) | (now & ~quiet.real);
      return true;
    }
    if (!quiet.takes(before, now)) return false;
    this.#shadow[at] = ((this.#shadow[at] as number) & ~reach) | quiet.content;
    return true;
  }

  /** Changes bits of a register in hardware, and none beside them. @returns what it has then, in its place in the dword */
  #send({ offset, size, reach }: QuietRegister, bits: number, values: number): number {
    const up = (offset & 3) << 3;
    const held = this.#readHardware(offset, size) << up;
    const next = (held & ~bits) | (values & bits);
    if (next !== held) this.#hardware.write(this.#file, offset, size, (next & reach) >>> up);
    return this.#readHardware(offset, size) << up;
  }
}
