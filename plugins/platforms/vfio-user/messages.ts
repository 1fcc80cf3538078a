// SPDX-License-Identifier: MIT

// The layout of the protocol vfio-user, version 0. All numbers are little-endian.

/** Byte offsets in the header of a message, and its length. */
export const Header = { id: 0, command: 2, size: 4, flags: 8, errno: 12, bytes: 16 } as const;

/** Bits of the header's flags. */
export const MessageFlag = {
  /** Of the low four bits: 0 is a command, 1 its reply. */
  typeMask: 0xf,
  reply: 0x1,
  /** The sender wants no reply. */
  noReply: 0x10,
  error: 0x20,
} as const;

/** Commands of a client. */
export const Command = {
  version: 1,
  dmaMap: 2,
  dmaUnmap: 3,
  deviceInfo: 4,
  regionInfo: 5,
  regionDescriptors: 6,
  interruptInfo: 7,
  setInterrupts: 8,
  regionRead: 9,
  regionWrite: 10,
  dmaRead: 11,
  dmaWrite: 12,
  reset: 13,
  severalWrites: 15,
} as const;

/** Names of the commands, by number, for counters. */
export const commandNames: readonly string[] = Array.from({ length: 16 }, (_, number) => {
  const found = Object.entries(Command).find(([, one]) => one === number);
  return found?.[0] ?? `command${number}`;
});

/**
 * Most bytes of one read or write of a region: what the client is told as `max_data_xfer_size`, and the protocol's own default.
 * QEMU reads a ROM in one piece.
 */
export const MAX_TRANSFER = 0x100000;
/**
 * Most descriptors beside one message: what the client is told as `max_msg_fds`. QEMU refuses a server that takes more than it
 * would send.
 */
export const MAX_DESCRIPTORS = 8;
/** Offset, region and count: what stands before the data of a region's read or write. */
export const REGION_HEAD = 16;
/** Longest message that is taken, and longest reply. */
export const MAX_MESSAGE = Header.bytes + REGION_HEAD + MAX_TRANSFER;
/** Longest text of capabilities that is read. */
export const MAX_CAPABILITIES = 4096;

/** Regions of a PCI device. */
export const Region = { rom: 6, config: 7, vga: 8, count: 9 } as const;
export const RegionFlag = { read: 1, write: 2, map: 4 } as const;

/** Kinds of interrupts, by index. */
export const Interrupt = { intx: 0, msi: 1, msix: 2, error: 3, request: 4, count: 5 } as const;
export const InterruptFlag = { eventfd: 1, maskable: 2, automasked: 4, fixedSize: 8 } as const;

/** Flags of command 8: in what form the data is, and what is done. */
export const SetFlag = { none: 1, bool: 2, eventfd: 4, mask: 8, unmask: 16, trigger: 32 } as const;
export const SET_DATA = SetFlag.none | SetFlag.bool | SetFlag.eventfd;
export const SET_ACTION = SetFlag.mask | SetFlag.unmask | SetFlag.trigger;

/** Flags of command 4. */
export const DeviceFlag = { reset: 1, pci: 2 } as const;
/** Flags of command 2. */
export const DmaFlag = { read: 1, write: 2 } as const;

/** Linux error numbers that a client is answered. */
export const Refusal = {
  notPermitted: 1,
  notThere: 2,
  io: 5,
  tooMany: 7,
  noAccess: 13,
  exists: 17,
  invalid: 22,
  noSpace: 28,
  protocol: 71,
  notSupported: 95,
} as const;

/** Body of the version reply: what this server can do. */
const capabilities = `${JSON.stringify({
  capabilities: { max_msg_fds: MAX_DESCRIPTORS, max_data_xfer_size: MAX_TRANSFER },
})}\0`;

/** What a client says of itself at first. */
export interface ClientVersion {
  readonly major: number;
  readonly minor: number;
}

/**
 * Reads the body of command 1.
 *
 * @param body what follows the header
 * @returns `undefined` for one that is no version: too short or long, text that does not end, or is no JSON object
 */
export const parseVersion = (body: Uint8Array): ClientVersion | undefined => {
  if (body.length < 4 || body.length > 4 + MAX_CAPABILITIES) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const version = { major: view.getUint16(0, true), minor: view.getUint16(2, true) };
  // The text may be missing: every capability is as the protocol has it by default then.
  if (body.length === 4) return version;
  if (body[body.length - 1] !== 0) return undefined;
  const text = new TextDecoder().decode(body.subarray(4, body.length - 1));
  try {
    const said: unknown = text === '' ? {} : JSON.parse(text);
    return typeof said === 'object' && said !== null && !Array.isArray(said) ? version : undefined;
  } catch {
    // What else a client can put there is no version either.
    return undefined;
  }
};

/** Writes the body of the reply to command 1. @returns its length in bytes */
export const writeVersion = (out: Uint8Array, at: number, minor: number): number => {
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  view.setUint16(at, 0, true);
  view.setUint16(at + 2, minor, true);
  const { written } = new TextEncoder().encodeInto(capabilities, out.subarray(at + 4));
  return 4 + written;
};

/** Writes the header of a reply. @param errno 0: the command was carried out */
export const writeReply = (out: DataView, id: number, command: number, size: number, errno: number): void => {
  out.setUint16(Header.id, id, true);
  out.setUint16(Header.command, command, true);
  out.setUint32(Header.size, size, true);
  out.setUint32(Header.flags, errno === 0 ? MessageFlag.reply : MessageFlag.reply | MessageFlag.error, true);
  out.setUint32(Header.errno, errno, true);
};

/** Unsigned 64 bits as a number; -1 for one that a number cannot hold exactly. */
export const readLong = (view: DataView, at: number): number => {
  const high = view.getUint32(at + 4, true);
  return high > 0x1fffff ? -1 : high * 0x100000000 + view.getUint32(at, true);
};

export const writeLong = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x100000000), true);
};
