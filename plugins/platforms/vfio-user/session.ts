// SPDX-License-Identifier: MIT

import { Status } from '../../../core/ring/layout.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import type { BarMemory } from './bar-memory.ts';
import type { ClientInterrupts } from './client-interrupts.ts';
import { DmaMaps } from './dma-maps.ts';
import {
  Command,
  DeviceFlag,
  DmaFlag,
  Header,
  Interrupt,
  InterruptFlag,
  MAX_TRANSFER,
  MessageFlag,
  parseVersion,
  REGION_HEAD,
  Refusal,
  Region,
  RegionFlag,
  readLong,
  writeLong,
  writeReply,
  writeVersion,
} from './messages.ts';
import type { MessageStream } from './stream.ts';

/** Config space as a client reaches it: the part of core's `ConfigSpace` that is used. */
export interface ServedSpace {
  read(offset: number, size: number): Outcome;
  write(offset: number, size: number, value: number): Outcome;
  /** Of the last read. */
  readonly bits: number;
}

/** A device in the hands of one client. */
export interface ServedDevice {
  readonly space: ServedSpace;
  readonly configSize: number;
  /** Bytes of BARs 0 to 5 and of the ROM; 0: there is none. */
  readonly bars: readonly number[];
  readonly memory: BarMemory;
  readonly interrupts: ClientInterrupts;
  /** Vectors of each index of interrupts. */
  readonly vectors: readonly number[];
  /** Whether the device was cut off: nothing of it can be reached any more. */
  readonly isFenced: boolean;
  /** After each write that succeeded: the device may be on or off now. */
  follow(): void;
  /** Resets it; `Outcome.later` until it has ended. */
  reset(): Outcome;
}

/** What {@link Session.handle} gives in place of a length: the reply is made by {@link Session.settled}. */
export const LATER = 0x7fffffff;

/** Error number for a status of the protocol of Xen, which the core answers with. */
const errnoOf = (status: number): number => {
  switch (status) {
    case Status.success:
      return 0;
    case Status.invalidOffset:
      return Refusal.invalid;
    case Status.accessDenied:
      return Refusal.noAccess;
    default:
      return Refusal.io;
  }
};

/** Bytes of the next access: as wide as its address and what is left of it allow. */
const widthAt = (offset: number, left: number): 1 | 2 | 4 => {
  if (left >= 4 && (offset & 3) === 0) return 4;
  return left >= 2 && (offset & 1) === 0 ? 2 : 1;
};

/**
 * One client's conversation: a message in, a reply out. It knows nothing of sockets and waits for nothing.
 *
 * Reads of config space run on the device's compiled table and allocate nothing.
 */
export class Session {
  /** Messages by command, those of unknown commands under 0. */
  readonly counts = new Float64Array(16);
  refused = 0;
  readonly #device: ServedDevice;
  readonly #stream: MessageStream;
  readonly #out: Uint8Array;
  readonly #reply: DataView;
  readonly #maps = new DmaMaps();
  #versionAgreed = false;
  /** Of the message that is worked on: where it lies, and how much of a write is done. */
  #start = 0;
  #written = 0;

  /** @param out where replies are made, at least `MAX_MESSAGE` bytes */
  constructor(device: ServedDevice, stream: MessageStream, out: Uint8Array) {
    this.#device = device;
    this.#stream = stream;
    this.#out = out;
    this.#reply = new DataView(out.buffer, out.byteOffset, out.length);
  }

  get maps(): number {
    return this.#maps.count;
  }

  /**
   * Works on the message that the stream has taken.
   *
   * @param start where it lies in the stream's buffer
   * @returns bytes of the reply, 0 for none, or {@link LATER}
   */
  handle(start: number): number {
    const view = this.#stream.view;
    const command = view.getUint16(start + Header.command, true);
    const counter = command < this.counts.length ? command : 0;
    this.counts[counter] = (this.counts[counter] as number) + 1;
    this.#start = start;
    const body = start + Header.bytes;
    const length = view.getUint32(start + Header.size, true) - Header.bytes;
    const isRead = command === Command.regionRead && this.#versionAgreed;
    return this.#answer(isRead ? this.#regionRead(view, body, length) : this.#other(command, view, body, length));
  }

  /** The device has done what a message waited for. @returns as {@link handle} */
  settled(status: number): number {
    const view = this.#stream.view;
    const body = this.#start + Header.bytes;
    const command = view.getUint16(this.#start + Header.command, true);
    if (status !== Status.success) return this.#answer(-errnoOf(status));
    if (command === Command.reset) return this.#answer(this.#wasReset());
    this.#device.follow();
    return this.#answer(this.#writeConfig(view, body));
  }

  /** @param body bytes behind the header of the reply; negative: an error number */
  #answer(body: number): number {
    if (body === LATER) return LATER;
    if (body < 0) this.refused++;
    const view = this.#stream.view;
    const start = this.#start;
    if ((view.getUint32(start + Header.flags, true) & MessageFlag.noReply) !== 0) return 0;
    const size = body < 0 ? Header.bytes : Header.bytes + body;
    const id = view.getUint16(start + Header.id, true);
    writeReply(this.#reply, id, view.getUint16(start + Header.command, true), size, body < 0 ? -body : 0);
    return size;
  }

  #regionRead(view: DataView, body: number, length: number): number {
    if (length !== REGION_HEAD) return -Refusal.invalid;
    const region = view.getUint32(body + 8, true);
    const count = view.getUint32(body + 12, true);
    const offset = this.#offsetIn(view, body, region, count);
    if (offset < 0) return offset;
    const reply = this.#reply;
    for (let at = 0; at < REGION_HEAD; at += 4)
      reply.setUint32(Header.bytes + at, view.getUint32(body + at, true), true);
    const errno = region === Region.config ? this.#readConfig(offset, count) : this.#readBar(region, offset, count);
    return errno === 0 ? REGION_HEAD + count : -errno;
  }

  /** Where an access begins, if the region has all of it; negative: an error number. */
  #offsetIn(view: DataView, body: number, region: number, count: number): number {
    const offset = readLong(view, body);
    const size = this.#sizeOf(region);
    if (count > MAX_TRANSFER || offset < 0 || offset > size || count > size - offset) return -Refusal.invalid;
    return this.#device.isFenced ? -Refusal.io : offset;
  }

  #sizeOf(region: number): number {
    if (region === Region.config) return this.#device.configSize;
    return region <= Region.rom ? (this.#device.bars[region] as number) : 0;
  }

  #readConfig(offset: number, count: number): number {
    const { space } = this.#device;
    const reply = this.#reply;
    for (let done = 0; done < count; ) {
      const at = Header.bytes + REGION_HEAD + done;
      const width = widthAt(offset + done, count - done);
      const status = space.read(offset + done, width);
      if (status !== Status.success) return errnoOf(status);
      if (width === 4) reply.setInt32(at, space.bits, true);
      else if (width === 2) reply.setInt16(at, space.bits, true);
      else reply.setInt8(at, space.bits);
      done += width;
    }
    return 0;
  }

  #readBar(bar: number, offset: number, count: number): number {
    const at = Header.bytes + REGION_HEAD;
    this.#device.memory.read(bar, offset, this.#out.subarray(at, at + count));
    return 0;
  }

  /** Everything but reads of regions. @returns bytes of the reply's body, a negative error number, or {@link LATER} */
  #other(command: number, view: DataView, body: number, length: number): number {
    if (command === Command.version) return this.#version(body, length);
    if (!this.#versionAgreed) return -Refusal.protocol;
    switch (command) {
      case Command.dmaMap:
        return this.#dmaMap(view, body, length);
      case Command.dmaUnmap:
        return this.#dmaUnmap(view, body, length);
      case Command.deviceInfo:
        return this.#deviceInfo(view, body, length);
      case Command.regionInfo:
        return this.#regionInfo(view, body, length);
      case Command.interruptInfo:
        return this.#interruptInfo(view, body, length);
      case Command.setInterrupts:
        return this.#setInterrupts(view, body, length);
      case Command.regionRead:
        return this.#regionRead(view, body, length);
      case Command.regionWrite:
        return this.#regionWrite(view, body, length);
      case Command.reset:
        return length === 0 ? this.#reset() : -Refusal.invalid;
      default:
        return -Refusal.notSupported;
    }
  }

  #version(body: number, length: number): number {
    if (this.#versionAgreed) return -Refusal.invalid;
    const said = parseVersion(this.#stream.buffer.subarray(body, body + length));
    if (said === undefined || said.major !== 0) return -Refusal.invalid;
    this.#versionAgreed = true;
    return writeVersion(this.#out, Header.bytes, said.minor);
  }

  #dmaMap(view: DataView, body: number, length: number): number {
    if (length !== 32) return -Refusal.invalid;
    const flags = view.getUint32(body + 4, true);
    if ((flags & ~(DmaFlag.read | DmaFlag.write)) !== 0) return -Refusal.invalid;
    return -this.#maps.map(readLong(view, body + 16), readLong(view, body + 24));
  }

  #dmaUnmap(view: DataView, body: number, length: number): number {
    if (length !== 24) return -Refusal.invalid;
    const errno = this.#maps.unmap(readLong(view, body + 8), readLong(view, body + 16));
    if (errno !== 0) return -errno;
    this.#out.set(this.#stream.buffer.subarray(body, body + 24), Header.bytes);
    return 24;
  }

  #deviceInfo(view: DataView, body: number, length: number): number {
    if (length < 16 || view.getUint32(body, true) < 16) return -Refusal.invalid;
    this.#words(16, DeviceFlag.reset | DeviceFlag.pci, Region.count, Interrupt.count);
    return 16;
  }

  #regionInfo(view: DataView, body: number, length: number): number {
    if (length < 32 || view.getUint32(body, true) < 32) return -Refusal.invalid;
    const region = view.getUint32(body + 8, true);
    if (region >= Region.count) return -Refusal.invalid;
    const size = this.#sizeOf(region);
    const flags = region === Region.rom ? RegionFlag.read : RegionFlag.read | RegionFlag.write;
    this.#words(32, size === 0 ? 0 : flags, region, 0);
    writeLong(this.#reply, Header.bytes + 16, size);
    // Nothing can be mapped, so no offset in a descriptor means anything; clients take it for the region's place.
    writeLong(this.#reply, Header.bytes + 24, region * 2 ** 40);
    return 32;
  }

  #interruptInfo(view: DataView, body: number, length: number): number {
    if (length < 16 || view.getUint32(body, true) < 16) return -Refusal.invalid;
    const index = view.getUint32(body + 8, true);
    if (index >= Interrupt.count) return -Refusal.invalid;
    const line = InterruptFlag.eventfd | InterruptFlag.maskable | InterruptFlag.automasked;
    const message = InterruptFlag.eventfd | InterruptFlag.fixedSize;
    this.#words(16, index === Interrupt.intx ? line : message, index, this.#device.vectors[index] as number);
    return 16;
  }

  #setInterrupts(view: DataView, body: number, length: number): number {
    const fds = this.#stream.descriptors();
    const isWhole = length >= 20;
    const [flags, index, start, count] = [4, 8, 12, 16].map((at) => (isWhole ? view.getUint32(body + at, true) : 0));
    const data = this.#stream.buffer.subarray(body + Math.min(20, length), body + length);
    // A short one has no flags, which is refused, and its descriptors closed.
    return -this.#device.interrupts.set(flags as number, index as number, start as number, count as number, data, fds);
  }

  #regionWrite(view: DataView, body: number, length: number): number {
    if (length < REGION_HEAD) return -Refusal.invalid;
    const region = view.getUint32(body + 8, true);
    const count = view.getUint32(body + 12, true);
    if (length !== REGION_HEAD + count) return -Refusal.invalid;
    const offset = this.#offsetIn(view, body, region, count);
    if (offset < 0) return offset;
    this.#written = 0;
    if (region === Region.config) return this.#writeConfig(view, body);
    if (region === Region.rom) return -Refusal.notPermitted;
    const data = body + REGION_HEAD;
    this.#device.memory.write(region, offset, this.#stream.buffer.subarray(data, data + count));
    return this.#echoHead(view, body);
  }

  /** Writes what is left of the message, from where the last access ended. */
  #writeConfig(view: DataView, body: number): number {
    const { space } = this.#device;
    const offset = readLong(view, body);
    const count = view.getUint32(body + 12, true);
    while (this.#written < count) {
      if (this.#device.isFenced) return -Refusal.io;
      const at = body + REGION_HEAD + this.#written;
      const width = widthAt(offset + this.#written, count - this.#written);
      const value = width === 4 ? view.getInt32(at, true) : width === 2 ? view.getUint16(at, true) : view.getUint8(at);
      const status = space.write(offset + this.#written, width, value);
      this.#written += width;
      if (status === Outcome.later) return LATER;
      if (status !== Status.success) return -errnoOf(status);
      this.#device.follow();
    }
    return this.#echoHead(view, body);
  }

  #echoHead(view: DataView, body: number): number {
    for (let at = 0; at < REGION_HEAD; at += 4) {
      this.#reply.setUint32(Header.bytes + at, view.getUint32(body + at, true), true);
    }
    return REGION_HEAD;
  }

  #reset(): number {
    const status = this.#device.reset();
    if (status === Outcome.later) return LATER;
    return status === Status.success ? this.#wasReset() : -errnoOf(status);
  }

  #wasReset(): number {
    this.#device.memory.clear();
    return 0;
  }

  #words(...words: readonly number[]): void {
    for (const [i, word] of words.entries()) this.#reply.setUint32(Header.bytes + 4 * i, word, true);
  }
}
