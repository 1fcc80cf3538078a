// SPDX-License-Identifier: MIT

import { type Dispatcher, type Patience, RingServer } from '../dispatcher/index.ts';
import { fail } from '../errors/index.ts';
import type { FrontendKeys } from '../journal.ts';
import type { EventChannel, MappedPage, Platform, Seat, StoreView, TakeRefused } from '../platform/index.ts';
import { PROTOCOL_MAGIC } from '../ring/layout.ts';
import { Ring } from '../ring/ring.ts';
import type { GuestView } from '../space/views.ts';
import { decimal } from './nodes.ts';

/**
 * Reads the keys of a front end: only these three, each checked (XSA-175).
 *
 * @throws PcibackError `STORE_REFUSED` naming the key.
 */
export const readFrontendKeys = async (view: StoreView, frontend: string): Promise<FrontendKeys> => {
  const number = async (key: string): Promise<number> => {
    const path = `${frontend}/${key}`;
    return (
      decimal(await view.read(path)) ??
      fail('STORE_REFUSED', { operation: 'read', path, error: 'the key is missing or not a 32-bit number' })
    );
  };
  const grantReference = await number('pci-op-ref');
  const eventChannel = await number('event-channel');
  const magic = await view.read(`${frontend}/magic`);
  if (magic !== PROTOCOL_MAGIC) {
    const error = `the protocol version is not ${PROTOCOL_MAGIC}`;
    fail('STORE_REFUSED', { operation: 'read', path: `${frontend}/magic`, error });
  }
  return { grantReference, eventChannel };
};

/** What one guest's connection is made with. */
export interface ConnectionTerms {
  readonly domain: number;
  readonly dispatcher: Dispatcher;
  /**
   * Does what an answering thread has left after writes of the guest: called before the next request that needs code, when
   * that thread says so, and at the end.
   */
  readonly leftWork: (refused: TakeRefused) => void;
  readonly patience?: Patience;
  /** An earlier process served it, and died. */
  readonly resumed?: boolean;
}

/** The mapped page and bound channel of one connected guest, with what serves them. */
export class Connection {
  readonly server: RingServer;
  readonly #page: MappedPage;
  readonly #channel: EventChannel;
  /** The guest's seat at the answering thread, where there is one. */
  readonly #seat: Seat | undefined;

  /** @throws HostError when the page cannot be mapped or the channel not bound; neither is left then (D-X6). */
  constructor(platform: Platform, keys: FrontendKeys, terms: ConnectionTerms) {
    const { domain, dispatcher, leftWork } = terms;
    this.#page = platform.grants.map(domain, keys.grantReference);
    let channel: EventChannel | undefined;
    try {
      const { answerer } = platform;
      const { reference } = this.#page;
      const ring = new Ring(this.#page.memory);
      const server = new RingServer(ring, dispatcher, platform.clock);
      this.server = server;
      // Before anybody else may look at the page.
      if (terms.resumed === true) dispatcher.resume(ring);
      else dispatcher.answered();
      const listener = (): void => {
        if (this.#seat?.hasServed()) server.answeredElsewhere();
        this.#seat?.catchUp();
        server.event();
      };
      channel = platform.events.bindInterdomain(domain, keys.eventChannel, listener);
      this.#seat = reference === undefined ? undefined : answerer?.seat(channel, reference, leftWork);
      this.#channel = this.#seat ?? channel;
    } catch (error) {
      channel?.close();
      this.#page.unmap();
      throw error;
    }
    this.server.serve(this.#channel, this.#seat === undefined ? 'alone' : 'shared', terms.patience);
    // The answer may be in the page, and its event not sent.
    if (terms.resumed === true) this.#channel.notify();
  }

  /** Does `work` while nobody answers the guest, after what an answering thread has left: it belongs to what `work` changes. */
  hold(work: () => void): void {
    const seat = this.#seat;
    const all = (): void => {
      seat?.catchUp();
      work();
    };
    if (seat === undefined) all();
    else seat.hold(all);
  }

  /** Does what an answering thread has left. */
  catchUp(): void {
    this.#seat?.catchUp();
  }

  /** What an answering thread may answer from. When it returns nothing older is used any more. */
  show(view: () => GuestView): void {
    this.#seat?.show(view());
  }

  /** Unbinds first, so that no event comes any more; waits for the running request; unmaps last (XSA-331). */
  async close(): Promise<void> {
    try {
      this.#channel.close();
    } finally {
      await this.server.close();
      this.#page.unmap();
    }
  }
}
