// SPDX-License-Identifier: MIT

/** Byte offsets in the shared page (protocol version 7); all members are 32 bits wide, native byte order. */
export const Page = {
  flags: 0,
  cmd: 4,
  err: 8,
  domain: 12,
  bus: 16,
  devfn: 20,
  offset: 24,
  size: 28,
  value: 32,
  info: 36,
  msixEntries: 40,
  aerCmd: 552,
  aerErr: 556,
  aerDomain: 560,
  aerBus: 564,
  aerDevfn: 568,
  /** Bytes of the page that have a meaning. */
  used: 572,
  bytes: 4096,
} as const;

/** The request lies at bytes 4..551 of the page; a snapshot holds exactly those. */
export const OP_START = Page.cmd;
export const OP_BYTES = Page.aerCmd - Page.cmd;

/** Most MSI-X entries of one request. */
export const MAX_VECTORS = 128;

/** Bits of the `flags` word. Both ends change it at the same time: only atomic read-modify-write operations. */
export const Flag = {
  /** A request of the front end is pending. */
  frontActive: 0x1,
  /** The front end understands AER requests. */
  aerHandler: 0x2,
  /** An AER request of the back end is pending. */
  backActive: 0x4,
} as const;

export const Command = {
  confRead: 0,
  confWrite: 1,
  enableMsi: 2,
  disableMsi: 3,
  enableMsix: 4,
  disableMsix: 5,
  aerDetected: 6,
  aerResume: 7,
  aerMmio: 8,
  aerSlotReset: 9,
} as const;

/** Names of the commands, by number. */
export const commandNames: readonly string[] = [
  'conf_read',
  'conf_write',
  'enable_msi',
  'disable_msi',
  'enable_msix',
  'disable_msix',
  'aer_detected',
  'aer_resume',
  'aer_mmio',
  'aer_slotreset',
];

/** Results in `op.err`. enable_msix may also answer a raw negative errno, as guests know it from the kernel's back end. */
export const Status = {
  success: 0,
  devNotFound: -1,
  invalidOffset: -2,
  accessDenied: -3,
  notImplemented: -4,
  opFailed: -5,
} as const;

const statusNames = new Map<number, string>([
  [0, 'success'],
  [-1, 'dev_not_found'],
  [-2, 'invalid_offset'],
  [-3, 'access_denied'],
  [-4, 'not_implemented'],
  [-5, 'op_failed'],
]);

export const statusName = (status: number): string => statusNames.get(status) ?? `errno ${-status}`;

/** Verdicts of the guest about an error (`aer_op.err` of an answer). */
export const Verdict = {
  none: 1,
  canRecover: 2,
  needReset: 3,
  disconnect: 4,
  recovered: 5,
  noDriver: 6,
} as const;

/** One of the verdicts. */
export type GuestVerdict = (typeof Verdict)[keyof typeof Verdict];

export const isVerdict = (value: number): value is GuestVerdict =>
  Number.isInteger(value) && value >= Verdict.none && value <= Verdict.noDriver;

/** Channel states (`aer_op.err` of aer_detected). */
export const ChannelState = { normal: 1, frozen: 2, permanentFailure: 3 } as const;
/** One of the channel states. */
export type Channel = (typeof ChannelState)[keyof typeof ChannelState];

/** The only value of the front end's `magic` key that is accepted. */
export const PROTOCOL_MAGIC = '7';
