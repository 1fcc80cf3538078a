// SPDX-License-Identifier: MIT

import type { PageReference } from '../../core/platform/memory.ts';
import { Command, Status } from '../../core/ring/layout.ts';
import type { Request } from '../../core/ring/request.ts';
import { Ring } from '../../core/ring/ring.ts';
import { Outcome } from '../../core/space/outcome.ts';
import type { DeviceView } from '../../core/space/views.ts';
import type { Account } from './account.ts';
import { Announcement } from './announcement.ts';
import { type Hardware, LaneDevice } from './lane-device.ts';
import { Refusals } from './refusals.ts';
import { type LaneView, Owner, SeatWord } from './thread-protocol.ts';

/** What a lane reaches of devices, made by the platform in the lane's thread. */
export interface LaneHardware extends Hardware {
  /** The memory of a mapped page, or of so many bytes. */
  page(reference: PageReference, bytes?: number): ArrayBufferLike;
}

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

/** A guest has a few devices, and a call into the engine costs more than the search. */
const find = (addresses: Int32Array, address: number): number => {
  for (let i = 0; i < addresses.length; i++) if (addresses[i] === address) return i;
  return -1;
};

/** What the view of a device has in memory that no message can carry is a copy: here is the memory itself. */
const reached = (view: DeviceView, hardware: LaneHardware): DeviceView => {
  const { kept, words, own, shadow } = view;
  if (kept === undefined) return view;
  const at = words.byteLength;
  const memory = hardware.page(kept, at + own.byteLength + shadow.byteLength);
  return {
    ...view,
    words: new Uint32Array(memory, 0, words.length),
    own: new Int32Array(memory, at, own.length),
    shadow: new Int32Array(memory, at + own.byteLength, shadow.length),
  };
};

/** The lane's side of one guest. It runs no code of a plugin; what it does to devices is what their tables say. */
export class LaneGuest {
  readonly port: number;
  /** The seat's words, for the loop. */
  readonly words: Int32Array;
  /** Requests answered since the last event without one: their events may still come, with nothing to do. */
  servedSinceEmpty = 0;
  readonly announcement = new Announcement();
  readonly account: Account;
  /** The control thread has a request of it that the lane handed over. */
  handed = false;
  /** It has written since {@link leavesWork} was asked. */
  #wrote = false;
  readonly #ring: Ring;
  readonly #hardware: LaneHardware;
  /** Taken apart, so that guests have one shape wherever their view comes from. */
  #addresses: Int32Array = new Int32Array(0);
  #requests: Float64Array = new Float64Array(0);
  #statuses: Float64Array = new Float64Array(0);
  #devices: readonly (LaneDevice | null)[] = [];
  #refusals = new Refusals();
  /** Of the view; 0: there is none yet. */
  #version = 0;

  constructor(port: number, page: ArrayBufferLike, words: SharedArrayBuffer, hardware: LaneHardware, account: Account) {
    this.port = port;
    this.account = account;
    this.words = new Int32Array(words);
    this.#ring = new Ring(page);
    this.#hardware = hardware;
  }

  /** The newest view. One that is not the newest any more is never used: {@link look} sees that another is announced. */
  show(view: LaneView): void {
    this.#addresses = view.addresses;
    this.#requests = view.requests;
    this.#statuses = view.statuses;
    this.#version = (this.#version + 1) | 0;
    this.#refusals = new Refusals(view.refusals);
    this.#devices = view.devices.map((shown) => {
      if (shown === null) return null;
      const device = reached(shown, this.#hardware);
      const page = device.page === undefined ? undefined : this.#hardware.page(device.page);
      return new LaneDevice(device, this.#hardware, page);
    });
  }

  /** Takes the seat if nobody has it. */
  own(): boolean {
    return Atomics.compareExchange(this.words, SeatWord.owner, Owner.nobody, Owner.lane) === Owner.nobody;
  }

  /** Whether writes of the guest have left something for the control thread; asked when there is time. */
  leavesWork(): boolean {
    if (!this.#wrote) return false;
    this.#wrote = false;
    return this.#refusals.any || this.#devices.some((device) => device?.isClosing === true);
  }

  release(): void {
    Atomics.store(this.words, SeatWord.owner, Owner.nobody);
  }

  /** Gives the seat that the lane has to the control thread, which does what was left before anything else. */
  handOver(): void {
    this.#wrote = false;
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
    const { cmd } = request;
    if (this.#version === 0 || (cmd !== Command.confRead && cmd !== Command.confWrite)) return false;
    const { segment, bus, devfn } = request;
    let status: Outcome = Status.devNotFound;
    if (segment <= 0xffff && bus <= 0xff && devfn <= 0xff) {
      const address = (segment << 16) | (bus << 8) | devfn;
      const index = find(this.#addresses, address);
      if (index >= 0) {
        const device = this.#devices[index];
        if (device === undefined || device === null) return false;
        status = device.access(request, address, this.#refusals);
        if (status === Outcome.needsCode) return false;
        if (cmd === Command.confWrite) this.#wrote = true;
      }
    }
    request.err = status;
    this.#requests[cmd] = (this.#requests[cmd] as number) + 1;
    const counter = status === 0 ? 0 : -status;
    this.#statuses[counter] = (this.#statuses[counter] as number) + 1;
    return true;
  }
}
