// SPDX-License-Identifier: MIT

import { Command } from '../../core/ring/layout.ts';
import type { Request } from '../../core/ring/request.ts';
import { Interpreter } from '../../core/space/interpreter.ts';
import { Outcome } from '../../core/space/outcome.ts';
import { refusalNote } from '../../core/space/refusal.ts';
import type { ConfigAccess, DeviceView } from '../../core/space/views.ts';
import { type DescribedRegister, describedRegister } from './described-writes.ts';
import type { Refusals } from './refusals.ts';

/** Config space of functions, as a lane gets at it. Both throw when the host refuses. */
export interface Hardware {
  read(file: number, offset: number, size: 1 | 2 | 4): number;
  write(file: number, offset: number, size: 1 | 2 | 4, value: number): void;
}

const NO_FILE = new Error('the function is left to the control thread');
const NO_PAGE = new ArrayBuffer(0);

/** Config space of one function: reads from its mapped page where there is one, and all else through its file. */
class FileAccess implements ConfigAccess {
  readonly #hardware: Hardware;
  readonly #file: number;
  readonly #isMapped: boolean;
  readonly #bytes: Uint8Array;
  readonly #halves: Uint16Array;
  readonly #dwords: Int32Array;

  constructor(hardware: Hardware, file: number, page: ArrayBufferLike = NO_PAGE) {
    this.#hardware = hardware;
    this.#file = file;
    this.#isMapped = page !== NO_PAGE;
    this.#bytes = new Uint8Array(page);
    this.#halves = new Uint16Array(page);
    this.#dwords = new Int32Array(page);
  }

  readConfig(offset: number, size: 1 | 2 | 4): number {
    if (this.#file < 0) throw NO_FILE;
    if (this.#isMapped) {
      // Atomic, because the compiler may leave out or repeat a plain load: for it this is memory like any other.
      const value =
        size === 4
          ? Atomics.load(this.#dwords, offset >> 2)
          : size === 2
            ? Atomics.load(this.#halves, offset >> 1)
            : Atomics.load(this.#bytes, offset);
      // All ones: nobody has answered, which the host may be able to tell from a value.
      if (value !== (size === 4 ? -1 : size === 2 ? 0xffff : 0xff)) return value;
    }
    return this.#hardware.read(this.#file, offset, size);
  }

  writeConfig(offset: number, size: 1 | 2 | 4, value: number): void {
    if (this.#file < 0) throw NO_FILE;
    this.#hardware.write(this.#file, offset, size, value);
  }
}

/** One device as a lane reaches it: the interpreter of its table, with descriptions in place of the code behind it. */
export class LaneDevice {
  readonly #table: Interpreter;
  readonly #described: readonly (DescribedRegister | null)[];

  /** @param page memory of the function's config space; missing: it is not mapped */
  constructor(view: DeviceView, hardware: Hardware, page?: ArrayBufferLike) {
    const access = new FileAccess(hardware, view.file, page);
    const place = { bits: view, words: view.words, hardware: access };
    this.#described = view.described.map((one) => (one === null ? null : describedRegister(one, place)));
    this.#table = new Interpreter(view, access, refusalNote(), this.#described);
  }

  /** Whether a gate waits to be closed. */
  get isClosing(): boolean {
    return this.#described.some((one) => one?.isClosing === true);
  }

  /**
   * Does a read or a write.
   *
   * @param address of the device, as in the view
   * @returns a protocol status; or `Outcome.needsCode`, and nothing has changed
   */
  access(request: Request, address: number, refusals: Refusals): Outcome {
    const table = this.#table;
    try {
      if (request.cmd === Command.confRead) {
        const outcome = table.read(request.offset, request.size);
        if (outcome !== Outcome.needsCode) request.value = table.bits;
        return outcome;
      }
      // The control thread makes room.
      if (refusals.isFull) return Outcome.needsCode;
      const outcome = table.write(request.offset, request.size, request.bits);
      if (table.refused.mask !== 0) refusals.add(address, table.refused);
      return outcome;
    } catch {
      // The control thread meets the same refusal, and reports it.
      return Outcome.needsCode;
    }
  }
}
