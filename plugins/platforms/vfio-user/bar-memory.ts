// SPDX-License-Identifier: MIT

/** Bytes that are kept together. */
const PAGE_BYTES = 4096;

/**
 * The memory behind the BARs of one device: it remembers what was written, and reads zero elsewhere. Only pages that were
 * written to with something else than zeros cost memory, up to a limit; what is written beyond is lost and counted.
 */
export class BarMemory {
  /** Bytes of writes that found no place. */
  lost = 0;
  readonly #limit: number;
  readonly #pages = new Map<number, Uint8Array>();

  /** @param limit most bytes that are kept */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that are kept now. */
  get used(): number {
    return this.#pages.size * PAGE_BYTES;
  }

  /** Numbers of pages do not meet: a BAR has at most 2^46 of them here, of the 2^53 that a number can tell apart. */
  #key(bar: number, page: number): number {
    return bar * 2 ** 46 + page;
  }

  /** Reads `into.length` bytes. The caller has checked that they lie in the BAR. */
  read(bar: number, offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const at = offset + done;
      const within = at % PAGE_BYTES;
      const bytes = Math.min(PAGE_BYTES - within, into.length - done);
      const page = this.#pages.get(this.#key(bar, (at - within) / PAGE_BYTES));
      if (page === undefined) into.fill(0, done, done + bytes);
      else into.set(page.subarray(within, within + bytes), done);
      done += bytes;
    }
  }

  /** Writes the bytes. The caller has checked that they lie in the BAR. */
  write(bar: number, offset: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; ) {
      const at = offset + done;
      const within = at % PAGE_BYTES;
      const bytes = Math.min(PAGE_BYTES - within, from.length - done);
      const piece = from.subarray(done, done + bytes);
      this.#pageFor(this.#key(bar, (at - within) / PAGE_BYTES), piece)?.set(piece, within);
      done += bytes;
    }
  }

  #pageFor(key: number, piece: Uint8Array): Uint8Array | undefined {
    const known = this.#pages.get(key);
    if (known !== undefined || piece.every((byte) => byte === 0)) return known;
    if (this.used + PAGE_BYTES > this.#limit) {
      this.lost += piece.length;
      return undefined;
    }
    const page = new Uint8Array(PAGE_BYTES);
    this.#pages.set(key, page);
    return page;
  }

  /** The device was reset. */
  clear(): void {
    this.#pages.clear();
  }
}
