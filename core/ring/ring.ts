// SPDX-License-Identifier: MIT

import { Command, Flag, type GuestVerdict, isVerdict, MAX_VECTORS, Page, Status, Verdict } from './layout.ts';
import { Request } from './request.ts';

const FLAGS = Page.flags >> 2;
const ERR = Page.err >> 2;
const VALUE = Page.value >> 2;
const ENTRIES = Page.msixEntries >> 1;
const AER_CMD = Page.aerCmd >> 2;
const AER_ERR = Page.aerErr >> 2;
const AER_DOMAIN = Page.aerDomain >> 2;
const AER_BUS = Page.aerBus >> 2;
const AER_DEVFN = Page.aerDevfn >> 2;

/** One question about an error, to the guest: its command and the virtual address of the device. */
export interface AerRequest {
  /** `aerDetected`, `aerMmio`, `aerSlotReset` or `aerResume` of the commands. */
  readonly command: number;
  /** The channel state for aerDetected, 1 for the others. */
  readonly state: number;
  readonly segment: number;
  readonly bus: number;
  readonly devfn: number;
}

/**
 * The back end's side of one shared page.
 *
 * Takes one snapshot of a request, answers it, and changes flags only by atomic read-modify-write. It knows no PCI
 * register, never logs and allocates nothing after construction.
 */
export class Ring {
  /** The one request that can be outstanding. */
  readonly request = new Request();
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;

  /** @param memory the mapped page, 4096 bytes */
  constructor(memory: ArrayBufferLike) {
    if (memory.byteLength < Page.bytes)
      throw new RangeError(`a shared page has ${Page.bytes} bytes, not ${memory.byteLength}`);
    this.#words = new Int32Array(memory, 0, Page.bytes >> 2);
    this.#halves = new Uint16Array(memory, 0, Page.bytes >> 1);
  }

  /** Whether a request is pending: one load of the flags. */
  get pending(): boolean {
    return (Atomics.load(this.#words, FLAGS) & Flag.frontActive) !== 0;
  }

  /** Copies the pending request, once, into {@link request}: each word of the page is read at most one time. */
  snapshot(): Request {
    this.request.copy(this.#words);
    return this.request;
  }

  /**
   * Puts the answer that {@link request} holds into the page and clears the request flag.
   *
   * Only `err`, `value` and, after a successful enable_msix, the vectors of the entries asked for are written. If the
   * front end has cleared the flag itself, it has given up waiting and may be writing its next request: then nothing is
   * written (D-P1).
   *
   * @returns whether the answer was delivered
   */
  answer(): boolean {
    if (!this.pending) return false;
    const request = this.request;
    this.#words[ERR] = request.err;
    this.#words[VALUE] = request.bits;
    if (request.cmd === Command.enableMsix && request.err === Status.success) {
      const count = Math.min(request.count, MAX_VECTORS);
      for (let i = 0; i < count; i++) this.#halves[ENTRIES + 2 * i] = request.vector(i);
    }
    // Sequentially consistent, so the stores above are visible before the flag is seen clear.
    Atomics.and(this.#words, FLAGS, ~Flag.frontActive);
    return true;
  }

  /** Whether the front end said that it understands AER requests. */
  get understandsAer(): boolean {
    return (Atomics.load(this.#words, FLAGS) & Flag.aerHandler) !== 0;
  }

  /** Whether an AER request of ours waits for its answer. */
  get aerPending(): boolean {
    return (Atomics.load(this.#words, FLAGS) & Flag.backActive) !== 0;
  }

  /** Puts an AER request into the page and sets its flag. The caller notifies. */
  requestAer({ command, state, segment, bus, devfn }: AerRequest): void {
    this.#words[AER_CMD] = command;
    this.#words[AER_ERR] = state;
    this.#words[AER_DOMAIN] = segment;
    this.#words[AER_BUS] = bus;
    this.#words[AER_DEVFN] = devfn;
    Atomics.or(this.#words, FLAGS, Flag.backActive);
  }

  /** The guest's verdict, read once; anything outside 1..6 counts as "disconnect" (D-P5). */
  aerVerdict(): GuestVerdict {
    const verdict = Atomics.load(this.#words, AER_ERR);
    return isVerdict(verdict) ? verdict : Verdict.disconnect;
  }

  /**
   * Takes an AER request back.
   *
   * @returns whether it was unanswered; an answer that came first stays in the page, see {@link aerVerdict}
   */
  withdrawAer(): boolean {
    const unanswered = (Atomics.and(this.#words, FLAGS, ~Flag.backActive) & Flag.backActive) !== 0;
    if (unanswered) this.#words[AER_ERR] = Verdict.none;
    return unanswered;
  }
}
