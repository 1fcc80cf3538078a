// SPDX-License-Identifier: MIT

// Interfaces, written for those who implement them, and the few values without which one says too little: the error that
// every platform throws and its numbers (HostError, Errno), bits of a member (ResourceFlag), a clock's whileRunning.

import type { Answerer } from './answerer.ts';
import type { DomainControl, HostErrors } from './errors.ts';
import type { InterruptMapper } from './interrupts.ts';
import type { LineInterrupts } from './lines.ts';
import type { Clock, EventChannels, GrantTable } from './memory.ts';
import type { PciBus } from './pci.ts';
import type { Xenstore } from './xenstore.ts';

export type * from './answerer.ts';
export type * from './errors.ts';
export type * from './interrupts.ts';
export type * from './lines.ts';
export * from './memory.ts';
export * from './pci.ts';
export type * from './xenstore.ts';

/** One thing that is held of the hypervisor or the store, as counted where it was acquired. */
export interface Holding {
  readonly kind: 'page' | 'channel' | 'pirq' | 'watch';
  /** Missing: it is held for none. */
  readonly domain?: number;
  readonly what: string;
}

/** How many of a kind are held, as `source` says: the hypervisor or the host. */
export type Census = Pick<Holding, 'kind'> & Readonly<{ count: number; source: string }>;

/** Where pciback runs: the hypervisor, the store and the bus, behind one interface. One contract suite holds over all. */
export interface Platform {
  readonly name: string;
  /** Domain id of this process's own domain. */
  readonly domain: number;
  readonly xenstore: Xenstore;
  readonly grants: GrantTable;
  readonly events: EventChannels;
  readonly pci: PciBus;
  readonly interrupts: InterruptMapper;
  readonly lines: LineInterrupts;
  readonly clock: Clock;
  /** PCI Express errors of the functions. Missing: the platform does not hear of them. */
  readonly errors?: HostErrors;
  /** What can be done with a guest as a whole. Missing: nothing. */
  readonly domains?: DomainControl;
  /** The thread that answers requests that need no code of a plugin. Missing: the control thread answers everything. */
  readonly answerer?: Answerer;
  /** Resolves, with the cause, when guests can no longer be heard; stays pending otherwise. Missing: cannot happen. */
  readonly failed?: Promise<Error>;
  /** What is held now. Missing: it is not counted. */
  held?(): readonly Holding[];
  /** The same, asked of the hypervisor and the host, as far as they tell. */
  census?(): readonly Census[];
  /** Releases every handle. Pages still mapped and channels still bound are released too. */
  close(): Promise<void>;
}

/**
 * A call into the host or the hypervisor that was refused.
 *
 * `errno` is the positive Linux number; the dispatcher makes a protocol code of it, an operator sees its name.
 */
export class HostError extends Error {
  override readonly name = 'HostError';
  readonly errno: number;
  readonly call: string;
  constructor(call: string, errno: number, detail?: string) {
    super(`${call}: ${errnoName(errno)}${detail === undefined ? '' : ` (${detail})`}`);
    this.call = call;
    this.errno = errno;
  }
}

/** The errno values that the protocol and the hypervisor use. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOTTY: 25,
  ENOSPC: 28,
  EROFS: 30,
  ERANGE: 34,
  ENOSYS: 38,
  ENODATA: 61,
  EOPNOTSUPP: 95,
  ENOTCONN: 107,
  EALREADY: 114,
} as const;

const names = new Map<number, string>(Object.entries(Errno).map(([name, value]) => [value, name]));

/** `EBUSY (16)`; the bare number for one this table does not know. */
export const errnoName = (errno: number): string => {
  const name = names.get(errno);
  return name === undefined ? `errno ${errno}` : `${name} (${errno})`;
};
