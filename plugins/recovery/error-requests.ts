// SPDX-License-Identifier: MIT

import type { Asker, RingServer } from '../../core/dispatcher/index.ts';
import { HostError } from '../../core/platform/index.ts';
import type { GuestVerdict } from '../../core/ring/layout.ts';
import type { AerRequest } from '../../core/ring/ring.ts';

/**
 * What became of a question: the guest's verdict; `no handler`, the guest never said that it understands such
 * questions; `time-out`, nothing came within the time; `closed`, the ring went away meanwhile.
 */
export type AerOutcome = GuestVerdict | 'no handler' | 'time-out' | 'closed';

interface Question {
  readonly request: AerRequest;
  readonly patience: number;
  readonly resolve: (outcome: AerOutcome) => void;
  readonly reject: (defect: unknown) => void;
}

/** What is needed of the server of a guest's ring. */
export type AskedServer = Pick<RingServer, 'ring' | 'clock' | 'attach' | 'awaits' | 'asked'>;

/**
 * Questions to one guest about errors of its devices: one at a time is in its page, the others queue. Whatever ends a wait
 * (an answer, the deadline, the end of the connection) leaves nothing behind (D-P2), and nothing touches the page after
 * {@link close} (D-P4).
 */
export class ErrorRequests implements Asker {
  readonly #server: AskedServer;
  readonly #queue: Question[] = [];
  #current: (Question & { readonly cancel: () => void }) | undefined;
  #closed = false;

  /** @param server of the guest's ring; it has one of these */
  constructor(server: AskedServer) {
    this.#server = server;
    server.attach(this);
  }

  /**
   * Asks the guest.
   *
   * @param patience milliseconds from the moment the question is in the page; never rejects for what a guest does, only for a
   * defect of this program
   */
  ask(request: AerRequest, patience: number): Promise<AerOutcome> {
    if (this.#closed) return Promise.resolve('closed');
    if (!this.#server.ring.understandsAer) return Promise.resolve('no handler');
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, patience, resolve, reject });
      this.#next();
    });
  }

  look(): boolean {
    if (this.#current === undefined || this.#server.ring.aerPending) return false;
    // Read once, range-checked (D-P5).
    this.#end(this.#server.ring.aerVerdict());
    return true;
  }

  close(): void {
    this.#closed = true;
    if (this.#current !== undefined) {
      this.#server.ring.withdrawAer();
      this.#end('closed');
    }
    for (const question of this.#queue.splice(0)) question.resolve('closed');
  }

  #next(): void {
    if (this.#current !== undefined || this.#closed) return;
    const question = this.#queue.shift();
    if (question === undefined) return;
    this.#server.awaits('yes');
    this.#server.ring.requestAer(question.request);
    this.#current = { ...question, cancel: this.#server.clock.after(question.patience, () => this.#expired()) };
    try {
      this.#server.asked();
    } catch (error) {
      this.#server.ring.withdrawAer();
      // The host cannot wake a guest that is gone. Anything else that is thrown is a defect, of which whoever asked is told;
      // what comes of the promise afterwards changes nothing.
      if (!(error instanceof HostError)) question.reject(error);
      this.#end('closed');
    }
  }

  #expired(): void {
    if (!this.#server.ring.withdrawAer()) {
      // The answer came just now, and its event is still on the way.
      this.#end(this.#server.ring.aerVerdict());
      return;
    }
    // A guest works on one question at a time. While it hangs in this one it answers no other.
    for (const question of this.#queue.splice(0)) question.resolve('time-out');
    this.#end('time-out');
  }

  #end(outcome: AerOutcome): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    this.#server.awaits('no');
    current.cancel();
    current.resolve(outcome);
    this.#next();
  }
}
