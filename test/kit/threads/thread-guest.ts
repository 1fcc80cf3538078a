// SPDX-License-Identifier: MIT

import { Flag, OP_BYTES, OP_START, Page } from '../../../core/ring/layout.ts';
import type { SharedEvents } from './shared-bell.ts';

const FLAGS = Page.flags >> 2;
const word = (offset: number): number => (offset - OP_START) >> 2;

/** A front end in a thread of its own: synchronous, as the stock one is. Allocates nothing per request. */
export class ThreadGuest {
  readonly #events: SharedEvents;
  readonly #port: number;
  readonly #waits: boolean;
  readonly #flags: Int32Array;
  readonly #words: Int32Array;
  /** Events that had come when the request was sent. */
  #received = 0;
  /** The last answer's value as a signed bit pattern. */
  value = 0;

  /** @param waits `sleeping`: until the answer's event; `spinning`: looks at the page without pause */
  constructor(page: SharedArrayBuffer, events: SharedEvents, port: number, waits: 'spinning' | 'sleeping') {
    this.#events = events;
    this.#port = port;
    this.#waits = waits === 'sleeping';
    this.#flags = new Int32Array(page);
    this.#words = new Int32Array(page, OP_START, OP_BYTES >> 2);
  }

  /** Sends one request to function `devfn` of bus 0, without waiting. */
  send(cmd: number, devfn: number, offset: number, size: number, value = 0): void {
    const words = this.#words;
    words[word(Page.cmd)] = cmd;
    words[word(Page.domain)] = 0;
    words[word(Page.bus)] = 0;
    words[word(Page.devfn)] = devfn;
    words[word(Page.offset)] = offset;
    words[word(Page.size)] = size;
    words[word(Page.value)] = value;
    this.#received = this.#events.received(this.#port);
    Atomics.or(this.#flags, FLAGS, Flag.frontActive);
    this.#events.toHost(this.#port);
  }

  /** Whether the request that was sent last is answered. */
  get answered(): boolean {
    return (Atomics.load(this.#flags, FLAGS) & Flag.frontActive) === 0;
  }

  /** The answer's `err`; leaves its value in {@link value}. */
  take(): number {
    this.value = this.#words[word(Page.value)] as number;
    return this.#words[word(Page.err)] as number;
  }

  /** Sends one request and waits for its answer; the answer's `err`. */
  request(cmd: number, devfn: number, offset: number, size: number, value = 0): number {
    this.send(cmd, devfn, offset, size, value);
    while (!this.answered) {
      if (this.#waits) this.#events.wait(this.#port, this.#received, 1000);
    }
    return this.take();
  }
}
