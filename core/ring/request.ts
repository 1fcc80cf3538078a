// SPDX-License-Identifier: MIT

import { Command, MAX_VECTORS, OP_BYTES, OP_START, Page } from './layout.ts';

const word = (pageOffset: number): number => (pageOffset - OP_START) >> 2;
const CMD = word(Page.cmd);
const ERR = word(Page.err);
const DOMAIN = word(Page.domain);
const BUS = word(Page.bus);
const DEVFN = word(Page.devfn);
const OFFSET = word(Page.offset);
const SIZE = word(Page.size);
const VALUE = word(Page.value);
/** Index of the request's first word among those of the page. */
const FIRST = OP_START >> 2;
/** Index of the MSI-X list among the words, and among the halves. */
const LIST = word(Page.msixEntries);
const ENTRIES = 2 * LIST;

/**
 * The private copy of one request and, in the same place, its answer.
 *
 * One object per guest, allocated when the ring is mapped. Everything that decides anything reads this copy and never
 * the shared page (XSA-155); the answer is computed here too.
 */
export class Request {
  readonly bytes = new Uint8Array(OP_BYTES);
  readonly #words = new Int32Array(this.bytes.buffer);
  readonly #halves = new Uint16Array(this.bytes.buffer);
  /**
   * `value` as sent: for enable_msix how many vectors are asked for. It is kept because the answer replaces `value`, and
   * the vectors that are copied back are counted by it. One more than the list can hold if it was anything else.
   */
  count = 0;

  /**
   * Copies a request out of the shared page, each word once, the MSI-X list only if the copied command has one. In a loop:
   * a block copy out of shared memory takes the engine several times as long.
   *
   * @param page the words of the shared page
   */
  copy(page: Int32Array): void {
    const words = this.#words;
    for (let i = 0; i < LIST; i++) words[i] = page[FIRST + i] as number;
    if (words[CMD] === Command.enableMsix) {
      for (let i = LIST; i < words.length; i++) words[i] = page[FIRST + i] as number;
    }
    this.sealed();
  }

  /** Has to be called after words were copied in. */
  sealed(): void {
    // Not as an unsigned number, which may be an object on the heap. Of those too large for the list one is as good as another.
    const { bits } = this;
    this.count = bits < 0 || bits > MAX_VECTORS ? MAX_VECTORS + 1 : bits;
  }

  /** Copies it, to words that outlive it. */
  save(words: Int32Array): void {
    words.set(this.#words);
  }

  /** Takes back what {@link save} copied. */
  restore(words: Int32Array): void {
    this.#words.set(words);
  }

  get cmd(): number {
    return (this.#words[CMD] as number) >>> 0;
  }
  /** Virtual segment, unsigned. */
  get segment(): number {
    return (this.#words[DOMAIN] as number) >>> 0;
  }
  get bus(): number {
    return (this.#words[BUS] as number) >>> 0;
  }
  get devfn(): number {
    return (this.#words[DEVFN] as number) >>> 0;
  }
  /** Signed, as sent. */
  get offset(): number {
    return this.#words[OFFSET] as number;
  }
  /** Signed, as sent. */
  get size(): number {
    return this.#words[SIZE] as number;
  }
  /** `value` as 32 signed bits, which the engine keeps without an object on the heap, unlike 32 unsigned ones. */
  get bits(): number {
    return this.#words[VALUE] as number;
  }
  /** Unsigned 32 bits. */
  get value(): number {
    return (this.#words[VALUE] as number) >>> 0;
  }
  set value(value: number) {
    this.#words[VALUE] = value;
  }
  /** The answer's `err`. */
  get err(): number {
    return this.#words[ERR] as number;
  }
  set err(status: number) {
    this.#words[ERR] = status;
  }

  /** MSI-X table index of element `i`; `i` below {@link MAX_VECTORS}. */
  entry(i: number): number {
    return this.#halves[ENTRIES + 2 * i + 1] as number;
  }
  vector(i: number): number {
    return this.#halves[ENTRIES + 2 * i] as number;
  }
  setVector(i: number, pirq: number): void {
    if (i < MAX_VECTORS) this.#halves[ENTRIES + 2 * i] = pirq;
  }
}
