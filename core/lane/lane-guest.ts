// SPDX-License-Identifier: MIT

import { Command, Status } from '../ring/layout.ts';
import type { Request } from '../ring/request.ts';
import { Ring } from '../ring/ring.ts';
import { type DeviceView, type GuestView, Owner, SeatWord } from './shared.ts';

/** Reads a function's config space through its file; throws when the host refuses. */
export type ReadHardware = (file: number, offset: number, size: 1 | 2 | 4) => number;

/** What a look at a guest's page found. */
export const Look = {
  /** The control thread has the seat. */
  taken: 0,
  /** No request. */
  nothing: 1,
  /** A request, answered. */
  answered: 2,
  /** A request that needs code: the control thread has the seat now and must be told. */
  handedOver: 3,
} as const;

const sizeMask = (size: number): number => (size === 4 ? -1 : size === 2 ? 0xffff : 0xff);
const MOST = 0xffffffff;

/** A guest has a few devices, and a call into the engine costs more than the search. */
const find = (addresses: Int32Array, address: number): number => {
  for (let i = 0; i < addresses.length; i++) if (addresses[i] === address) return i;
  return -1;
};

/** The lane's side of one guest. It runs no code of a plugin and changes nothing but the page and counters. */
export class LaneGuest {
  readonly port: number;
  /** The seat's words, for the loop. */
  readonly words: Int32Array;
  /** Requests answered since the last event without one: their events may still come, with nothing to do. */
  servedSinceEmpty = 0;
  /** When the lane answered it last. */
  answeredAt = Number.NEGATIVE_INFINITY;
  /** The last answer was not announced yet: the guest may not be asleep. */
  unannounced = false;
  /** Answers that are announced at once, before the next one is tried without. */
  eager = 0;
  readonly #ring: Ring;
  readonly #readHardware: ReadHardware;
  #view: GuestView | undefined;
  #version = 0;

  constructor(port: number, page: ArrayBufferLike, words: SharedArrayBuffer, readHardware: ReadHardware) {
    this.port = port;
    this.words = new Int32Array(words);
    this.#ring = new Ring(page);
    this.#readHardware = readHardware;
  }

  /** The newest view. One that is not the newest any more is never used: {@link look} sees that another is announced. */
  show(view: GuestView): void {
    this.#view = view;
    this.#version = (this.#version + 1) | 0;
  }

  /** Takes the seat if nobody has it. */
  own(): boolean {
    return Atomics.compareExchange(this.words, SeatWord.owner, Owner.nobody, Owner.lane) === Owner.nobody;
  }

  release(): void {
    Atomics.store(this.words, SeatWord.owner, Owner.nobody);
  }

  /** Gives the seat that the lane has to the control thread. */
  handOver(): void {
    Atomics.store(this.words, SeatWord.owner, Owner.control);
  }

  /**
   * Looks at the page once and answers what is there if that needs no code.
   *
   * @param refresh called when a newer view was announced, to fetch it
   * @returns one of {@link Look}; after `answered` the guest has to be notified
   */
  look(refresh: () => void): number {
    if (!this.own()) return Look.taken;
    if (!this.#ring.pending) {
      this.release();
      return Look.nothing;
    }
    const announced = Atomics.load(this.words, SeatWord.version);
    if (announced !== this.#version) refresh();
    const request = this.#ring.snapshot();
    if (announced !== this.#version || !this.#answer(request)) {
      this.handOver();
      return Look.handedOver;
    }
    this.#ring.answer();
    this.servedSinceEmpty++;
    Atomics.add(this.words, SeatWord.served, 1);
    this.release();
    return Look.answered;
  }

  #answer(request: Request): boolean {
    const view = this.#view;
    if (view === undefined || request.cmd !== Command.confRead) return false;
    const { segment, bus, devfn } = request;
    let status: number = Status.devNotFound;
    if (segment <= 0xffff && bus <= 0xff && devfn <= 0xff) {
      const index = find(view.addresses, (segment << 16) | (bus << 8) | devfn);
      if (index >= 0) {
        const device = view.devices[index];
        if (device === undefined || device === null) return false;
        status = this.#read(device, request);
        if (status > 0) return false;
      }
    }
    request.err = status;
    view.requests[Command.confRead] = (view.requests[Command.confRead] as number) + 1;
    const counter = status === 0 ? 0 : -status;
    view.statuses[counter] = (view.statuses[counter] as number) + 1;
    return true;
  }

  /** @returns a protocol status, or 1 when the answer needs code */
  #read(device: DeviceView, request: Request): number {
    const { offset, size } = request;
    const accepted =
      (size === 1 || size === 2 || size === 4) &&
      offset >= 0 &&
      offset + size <= device.size &&
      (offset & (size - 1)) === 0;
    if (!accepted) {
      request.value = 0;
      return Status.invalidOffset;
    }
    const at = offset >> 2;
    const shift = (offset & 3) << 3;
    const lane = sizeMask(size) << shift;
    const shadowed = (device.shadowed[at] as number) & lane;
    let view = (device.shadow[at] as number) & shadowed;
    if (shadowed !== lane) {
      if (((device.answered[at] as number) & lane & ~shadowed) !== 0 || device.file < 0) return 1;
      try {
        view |= (this.#readHardware(device.file, offset, size) << shift) & lane & ~shadowed;
      } catch {
        // The control thread meets the same refusal, and reports it.
        return 1;
      }
    }
    request.value = (view >>> shift) & sizeMask(size);
    const counts = device.reads;
    for (let byte = offset; byte < offset + size; byte++) {
      const count = counts[byte] as number;
      if (count !== MOST) counts[byte] = count + 1;
    }
    return Status.success;
  }
}
