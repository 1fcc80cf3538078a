// SPDX-License-Identifier: MIT

import { Header, MAX_DESCRIPTORS, MAX_MESSAGE, MessageFlag } from './messages.ts';

/** Why nothing more can be taken from a client: after it nobody knows where the next message begins. */
export type StreamFault = 'size' | 'type' | 'descriptors';

/** What a stream lets go of: descriptors that nobody wants. */
export type CloseDescriptor = (fd: number) => void;

/** Descriptors that came, and how many bytes had come by then: they are of the message that the last of those lies in. */
interface Arrived {
  readonly end: number;
  readonly fds: number[];
}

/**
 * Puts whole messages together from what a client's socket gives. It keeps one buffer of fixed size, so that a client costs
 * this and no more, whatever it sends.
 */
export class MessageStream {
  /** What is received; the message of {@link take} lies in it. */
  readonly buffer: Uint8Array;
  readonly view: DataView;
  readonly #close: CloseDescriptor;
  #start = 0;
  #end = 0;
  /** Bytes that were received before what lies at the start of the buffer. */
  #before = 0;
  #arrived: Arrived[] = [];
  #kept = 0;
  /** Bytes of the message that {@link take} gave. */
  #taken = 0;

  /** @param buffer at least {@link MAX_MESSAGE} bytes */
  constructor(buffer: Uint8Array, close: CloseDescriptor) {
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    this.#close = close;
  }

  /** Moves what is left to the start when the end is near. @returns where the next bytes belong */
  makeRoom(): number {
    if (this.#start === this.#end) {
      this.#before += this.#start;
      this.#start = 0;
      this.#end = 0;
    } else if (this.#taken === 0 && this.#start > 0 && this.buffer.length - this.#start < MAX_MESSAGE) {
      this.buffer.copyWithin(0, this.#start, this.#end);
      this.#before += this.#start;
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#end;
  }

  /** Bytes have come. @param fds that came beside them; `undefined`: none */
  received(bytes: number, fds?: number[]): StreamFault | undefined {
    this.#end += bytes;
    if (fds === undefined || fds.length === 0) return undefined;
    this.#kept += fds.length;
    this.#arrived.push({ end: this.#before + this.#end, fds });
    return this.#kept > MAX_DESCRIPTORS ? 'descriptors' : undefined;
  }

  /**
   * Begins with the next message, if the whole of it is there.
   *
   * @returns where it lies in the buffer; -1: it is not there yet; a text: there will be none any more
   */
  take(): number | StreamFault {
    const start = this.#start;
    const there = this.#end - start;
    if (there < Header.bytes) return -1;
    const size = this.view.getUint32(start + Header.size, true);
    if (size < Header.bytes || size > MAX_MESSAGE) return 'size';
    // This server asks clients for nothing, so there is nothing that they could reply to.
    if ((this.view.getUint32(start + Header.flags, true) & MessageFlag.typeMask) !== 0) return 'type';
    if (there < size) return -1;
    this.#taken = size;
    return start;
  }

  /** Descriptors that came with the message that was taken; whoever asks has to close them. */
  descriptors(): number[] {
    const end = this.#before + this.#start + this.#taken;
    const mine: number[] = [];
    while (this.#arrived[0] !== undefined && this.#arrived[0].end <= end)
      mine.push(...(this.#arrived.shift()?.fds ?? []));
    this.#kept -= mine.length;
    return mine;
  }

  /** The message that was taken has been worked on. Descriptors that nobody asked for are closed. */
  done(): void {
    if (this.#arrived.length > 0) for (const fd of this.descriptors()) this.#close(fd);
    this.#start += this.#taken;
    this.#taken = 0;
  }

  /** Whether bytes are left behind the message that was worked on last. */
  get hasMore(): boolean {
    return this.#end > this.#start;
  }

  /** Closes what is left. */
  end(): void {
    for (const { fds } of this.#arrived.splice(0)) for (const fd of fds) this.#close(fd);
    this.#kept = 0;
  }
}
