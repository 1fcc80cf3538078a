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
export const maxMessageType = 26;
/** Bytes in front of every payload: type, request id, transaction id, length; each a u32 in native order (little-endian wherever Xen and Node run). */
export const headerSize = 16;
/** Largest payload in both directions. The server ends the connection of a sender that exceeds it. */
export const maxPayload = 4096;
/** Longest absolute path, in bytes. */
export const maxPath = 3072;

/** One message. */
export interface Frame {
  readonly type: number;
  readonly request: number;
  readonly transaction: number;
  readonly payload: Uint8Array;
}

/** Turns a message into the bytes on the wire. */
export const encodeFrame = (frame: Frame): Buffer => {
  const bytes = Buffer.alloc(headerSize + frame.payload.length);
  bytes.writeUInt32LE(frame.type, 0);
  bytes.writeUInt32LE(frame.request, 4);
  bytes.writeUInt32LE(frame.transaction, 8);
  bytes.writeUInt32LE(frame.payload.length, 12);
  bytes.set(frame.payload, headerSize);
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
    while (bytes.length >= headerSize) {
      const type = bytes.readUInt32LE(0);
      const length = bytes.readUInt32LE(12);
      if (type > maxMessageType) throw new WireError(`message type ${type}`);
      if (length > maxPayload) throw new WireError(`payload of ${length} bytes, at most ${maxPayload} are allowed`);
      if (bytes.length < headerSize + length) break;
      frames.push({
        type,
        request: bytes.readUInt32LE(4),
        transaction: bytes.readUInt32LE(8),
        payload: bytes.subarray(headerSize, headerSize + length),
      });
      bytes = bytes.subarray(headerSize + length);
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
