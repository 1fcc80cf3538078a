// SPDX-License-Identifier: MIT

import type { PageReference } from '../platform/memory.ts';
import type { PlacedDescription } from './described-writes.ts';

/** Config space of one function in hardware. Both throw when the host refuses; offsets are naturally aligned. */
export interface ConfigAccess {
  readConfig(offset: number, size: 1 | 2 | 4): number;
  /** @param value unsigned, `size` bytes */
  writeConfig(offset: number, size: 1 | 2 | 4, value: number): void;
}

/**
 * What becomes of each bit of a device's config space: the arrays of its compiled table, one element per aligned dword. A
 * guest's access is aligned and at most four bytes, so it never needs more than one element of each. All masks are signed
 * 32-bit bit patterns, all in shared memory: a thread of its own can answer from them.
 */
export interface TableBits {
  /** Bytes of config space that the guest sees. */
  readonly size: number;
  /** Bits that a read takes from {@link shadow}. */
  readonly shadowed: Int32Array;
  readonly shadow: Int32Array;
  /** Bits that hardware does not answer. Those of them that are not shadowed need code. */
  readonly answered: Int32Array;
  /** Bits that go to hardware as written. */
  readonly through: Int32Array;
  /** Bits of the shadow that the guest may change. */
  readonly own: Int32Array;
  /** Bits whose writes are ignored without counting as refused. */
  readonly reserved: Int32Array;
  /** Bits with a behaviour. */
  readonly coded: Int32Array;
  /** 1: the shadow keeps what a behaviour reads in this dword, and another bit of it may change that. */
  readonly behind: Uint8Array;
}

/** All that an interpreter of a table needs. */
export interface TableView extends TableBits {
  /** Accesses so far, per byte; in shared memory. */
  readonly reads: Uint32Array;
  readonly writes: Uint32Array;
}

/** One device as an answering thread sees it. */
export interface DeviceView extends TableView {
  /** State words of all behaviours, in shared memory. */
  readonly words: Uint32Array;
  /** What writes to bits with a behaviour do, where that is known as data, per dword; shorter: no more is known. */
  readonly described: readonly (PlacedDescription | null)[];
  /** File descriptor of the function's config space in this process; -1: hardware is left to the control thread. */
  readonly file: number;
  /** Memory that holds `words`, `own` and `shadow` in this order; missing: they are shared memory themselves. */
  readonly kept?: PageReference;
  /** Memory of the function's config space, for reads; missing: through the file. */
  readonly page?: PageReference;
}

/** All that an answering thread knows about a guest. */
export interface GuestView {
  /** Virtual addresses, `segment << 16 | bus << 8 | devfn`, as signed 32 bits. */
  readonly addresses: Int32Array;
  /** The device at each address; `null`: the control thread answers for it. */
  readonly devices: readonly (DeviceView | null)[];
  /** Requests so far by command number, as the dispatcher counts them. */
  readonly requests: Float64Array;
  /** Answers so far by negated status. */
  readonly statuses: Float64Array;
}
