// SPDX-License-Identifier: MIT

/** Message types of the xenstore protocol. Source: xenstore wire protocol (`xs_wire.h`). */
export const MessageType = {
  directory: 1,
  read: 2,
  watch: 4,
  unwatch: 5,
  transactionStart: 6,
  transactionEnd: 7,
  write: 11,
  remove: 13,
  setPermissions: 14,
  watchEvent: 15,
  error: 16,
  directoryPart: 22,
} as const;

/** Highest type that a server may send; a larger number means that the stream is out of step. */
export const MAX_MESSAGE_TYPE = 26;
/** Bytes in front of every payload: type, request id, transaction id, length; each a u32 in native order (little-endian wherever Xen and Node run). */
export const HEADER_BYTES = 16;
/** Largest payload in both directions. The server ends the connection of a sender that exceeds it. */
export const MAX_PAYLOAD = 4096;
/** Longest absolute path, in bytes. */
export const MAX_PATH = 3072;

/** One message. */
export interface Frame {
  readonly type: number;
  readonly request: number;
  readonly transaction: number;
  readonly payload: Uint8Array;
}

/** Turns a message into the bytes on the wire. */
export const encodeFrame = (frame: Frame): Buffer => {
  const bytes = Buffer.alloc(HEADER_BYTES + frame.payload.length);
  bytes.writeUInt32LE(frame.type, 0);
  bytes.writeUInt32LE(frame.request, 4);
  bytes.writeUInt32LE(frame.transaction, 8);
  bytes.writeUInt32LE(frame.payload.length, 12);
  bytes.set(frame.payload, HEADER_BYTES);
  return bytes;
};

/** The stream is not what the protocol says; nothing that follows can be trusted. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/**
 * Cuts a byte stream into messages. Keeps at most one unfinished message. What it is given is copied: the reader's
 * buffer may be used again, the payloads stay.
 *
 * @throws WireError for a length or a type that no server sends.
 */
export class FrameDecoder {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Uint8Array): Frame[] {
    let bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    while (bytes.length >= HEADER_BYTES) {
      const type = bytes.readUInt32LE(0);
      const length = bytes.readUInt32LE(12);
      if (type > MAX_MESSAGE_TYPE) throw new WireError(`message type ${type}`);
      if (length > MAX_PAYLOAD) throw new WireError(`payload of ${length} bytes, at most ${MAX_PAYLOAD} are allowed`);
      if (bytes.length < HEADER_BYTES + length) break;
      frames.push({
        type,
        request: bytes.readUInt32LE(4),
        transaction: bytes.readUInt32LE(8),
        payload: bytes.subarray(HEADER_BYTES, HEADER_BYTES + length),
      });
      bytes = bytes.subarray(HEADER_BYTES + length);
    }
    this.#rest = bytes;
    return frames;
  }
}

/** Strings, each with a NUL behind it. */
export const strings = (...parts: readonly string[]): Buffer => Buffer.from(parts.map((part) => `${part}\0`).join(''));

/** The strings of a payload in which each has a NUL behind it; a last one without NUL counts. */
export const splitStrings = (payload: Uint8Array): string[] => {
  const parts = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString('utf8').split('\0');
  if (parts.at(-1) === '') parts.pop();
  return parts;
};

const errors: ReadonlySet<string> = new Set(
  'EPERM ENOENT EIO E2BIG EAGAIN ENOMEM EACCES EBUSY EEXIST EISDIR EINVAL ENOSPC EROFS ENOSYS ENOTEMPTY EISCONN'.split(
    ' ',
  ),
);

/** True for an error that the protocol knows. */
export const isStoreError = (name: string): boolean => errors.has(name);

/** The error an ERROR message names. One that the protocol does not know counts as EINVAL. */
export const errorName = (payload: Uint8Array): string => {
  const name = splitStrings(payload)[0] ?? '';
  return isStoreError(name) ? name : 'EINVAL';
};
