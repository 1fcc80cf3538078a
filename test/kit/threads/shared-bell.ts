// SPDX-License-Identifier: MIT

import type { EventChannel, PageReference } from '../../../core/platform/index.ts';
import type { Bell, BellModule } from '../../../plugins/kinds/bell.ts';

/** Word 0 counts rings and events; then four words for each port. */
const RUNG = 0;
const PENDING = 0;
const MASKED = 1;
/** Counts the events to the guest. */
const TO_GUEST = 2;
const PER_PORT = 4;

/** Ports are 1 to this number. */
export const MOST_PORTS = 256;

const at = (port: number, word: number): number => PER_PORT * port + word;

/** Event channels between threads of this process, as the hypervisor has them between domains. */
export class SharedEvents {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  /** @param memory of the other threads; missing: a new set */
  constructor(memory = new SharedArrayBuffer(4 * PER_PORT * (MOST_PORTS + 1))) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** Ends the lane's sleep. */
  ring(): void {
    Atomics.add(this.#words, RUNG, 1);
    Atomics.notify(this.#words, RUNG);
  }

  /** The guest's end: sends an event to the lane. */
  toHost(port: number): void {
    Atomics.store(this.#words, at(port, PENDING), 1);
    if (Atomics.load(this.#words, at(port, MASKED)) === 0) this.ring();
  }

  /** Number of events to the guest so far, modulo 2^32. */
  received(port: number): number {
    return Atomics.load(this.#words, at(port, TO_GUEST));
  }

  /** The guest's end: sleeps until there are more events than `received`, or the time is over. */
  wait(port: number, received: number, milliseconds: number): void {
    Atomics.wait(this.#words, at(port, TO_GUEST), received, milliseconds);
  }

  toGuest(port: number): void {
    Atomics.add(this.#words, at(port, TO_GUEST), 1);
    Atomics.notify(this.#words, at(port, TO_GUEST));
  }

  unmask(port: number): void {
    Atomics.store(this.#words, at(port, MASKED), 0);
    if (Atomics.load(this.#words, at(port, PENDING)) === 1) this.ring();
  }

  /** Whether a delivery of this port was not ended yet. */
  isMasked(port: number): boolean {
    return Atomics.load(this.#words, at(port, MASKED)) === 1;
  }

  /** The control thread's end of a port. Its events come by way of the lane. */
  channel(port: number): EventChannel {
    return { port, notify: () => this.toGuest(port), unmask: () => this.unmask(port), close: () => undefined };
  }

  /** The lane's bell. */
  bell(): Bell {
    const words = this.#words;
    const ports = new Uint32Array(MOST_PORTS);
    let heard = 0;
    /** Takes events and rings, as a read of the event device does: a ring that was seen here ends no sleep any more. */
    const collect = (): number => {
      heard = Atomics.load(words, RUNG);
      let count = 0;
      for (let port = 1; port <= MOST_PORTS; port++) {
        if (words[at(port, PENDING)] === 0 || words[at(port, MASKED)] === 1) continue;
        Atomics.store(words, at(port, MASKED), 1);
        if (Atomics.exchange(words, at(port, PENDING), 0) === 1) ports[count++] = port;
        else Atomics.store(words, at(port, MASKED), 0);
      }
      return count;
    };
    return {
      ports,
      sleep: () => {
        Atomics.wait(words, RUNG, heard);
        return collect();
      },
      peek: collect,
      notify: (port) => this.toGuest(port),
      unmask: (port) => this.unmask(port),
      hardware: {
        read: () => {
          throw new Error('a thread has no hardware of its own');
        },
        write: () => {
          throw new Error('a thread has no hardware of its own');
        },
        page: (reference: PageReference) => {
          if (typeof reference === 'bigint') throw new TypeError('pages of threads are shared memory');
          return reference;
        },
      },
      rehearsal: { port: MOST_PORTS, file: -1, page: new SharedArrayBuffer(4096) },
    };
  }
}

/** Makes the bell of a lane whose guests are threads of this process. @param own the memory of the events */
export const makeBell: BellModule['makeBell'] = (own) => new SharedEvents(own as SharedArrayBuffer).bell();
