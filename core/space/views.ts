// SPDX-License-Identifier: MIT

import type { PageReference } from '../platform/memory.ts';
import type { PlacedQuiet } from './quiet.ts';

/** One device as an answering thread sees it: the arrays of its compiled table, in shared memory. One element per aligned dword. */
export interface DeviceView {
  /** Bytes of config space. */
  readonly size: number;
  /** Bits that a read takes from {@link shadow}. */
  readonly shadowed: Int32Array;
  readonly shadow: Int32Array;
  /** Bits that hardware does not answer. Those of them that are not shadowed need code. */
  readonly answered: Int32Array;
  /** Reads so far, per byte. */
  readonly reads: Uint32Array;
  /** File descriptor of the function's config space in this process; -1: hardware is left to the control thread. */
  readonly file: number;
  /** Memory of the function's config space, for reads; missing: through the file. */
  readonly page?: PageReference;
  /** What writes do; missing: they are left to the control thread. */
  readonly writes?: WriteView;
}

/** The rest of a compiled table: what becomes of a write. One element per aligned dword. */
export interface WriteView {
  /** Bits that go to hardware as written, and those of which a one does. */
  readonly writable: Int32Array;
  readonly ones: Int32Array;
  /** Bits of the shadow that the guest may change. */
  readonly own: Int32Array;
  /** Bits whose writes are ignored without counting as refused. */
  readonly reserved: Int32Array;
  /** Bits with a behaviour. */
  readonly coded: Int32Array;
  /** What writes to those do, where that is known as data. */
  readonly quiet: readonly (PlacedQuiet | null)[];
  /** 1: a behaviour has bits of this dword. */
  readonly behind: Uint8Array;
  /** State words of all behaviours, in shared memory. */
  readonly words: Uint32Array;
  /** Writes so far, per byte. */
  readonly counts: Uint32Array;
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
  /** Where refused writes are noted for the control thread; see `Refusals`. */
  readonly refusals: SharedArrayBuffer;
}
