// SPDX-License-Identifier: MIT

/** How a mapped page gets to another thread: its address in this process, or the shared memory itself. */
export type PageReference = bigint | SharedArrayBuffer;

/** Memory that the next process may find again; see `Journal`. */
export interface KeptMemory {
  /** Zeros when it was allocated. */
  readonly memory: ArrayBufferLike;
  /** By which the next process finds it; -1: it ends with this one. */
  readonly at: number;
  /** How another thread gets at it. Missing: `memory` is shared memory. */
  readonly reference?: PageReference;
}

/** One granted page of a guest, mapped read-write. */
export interface MappedPage {
  /** Exactly 4096 bytes, the guest's own memory: it can change at any time, between any two loads. */
  readonly memory: ArrayBufferLike;
  /** How another thread of this process gets at the same memory. Missing: it cannot. */
  readonly reference?: PageReference;
  /** Gives the page back. The memory must not be touched afterwards. Calling it twice is harmless. */
  unmap(): void;
}

/** Mapping of grant references. */
export interface GrantTable {
  /**
   * Maps one page that `domain` granted.
   *
   * @throws HostError when the hypervisor refuses; nothing is left mapped then.
   */
  map(domain: number, reference: number): MappedPage;
}

/** A bound interdomain event channel. */
export interface EventChannel {
  /** The local port, for messages. */
  readonly port: number;
  /** Sends an event to the other end. */
  notify(): void;
  /** Ends the delivery that is owed: the channel was masked when its event was delivered. */
  unmask(): void;
  /**
   * Whether an answer to an error report is waited for, whose event must reach the listener. Missing: every event does.
   */
  awaitsAnswer?(state: 'yes' | 'no'): void;
  /** Unbinds. After it returns the listener is never called again. Calling it twice is harmless. */
  close(): void;
}

/**
 * Event channels with late end-of-interrupt.
 *
 * Obligations: one call of the listener per delivery; after a delivery the channel is masked until `unmask`; events
 * that arrive meanwhile are merged into one that is delivered after `unmask`; a freshly bound channel is unmasked and
 * may deliver at once, but never before `bindInterdomain` has returned.
 */
export interface EventChannels {
  /** @throws HostError when the hypervisor refuses. */
  bindInterdomain(domain: number, remotePort: number, listener: () => void): EventChannel;
}

/** Milliseconds that only go forward, and timers; replaceable so that tests need not wait. */
export interface Clock {
  now(): number;
  /** Calls `callback` once after `milliseconds`; the returned function cancels it. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** As `clock.after`, in four parts: of a time in which this process stood still (stopped, suspended) one counts at most. */
export const whileRunning = (clock: Clock, milliseconds: number, callback: () => void, parts = 4): (() => void) => {
  let cancel = clock.after(milliseconds / 4, () => {
    if (parts === 1) callback();
    else cancel = whileRunning(clock, milliseconds, callback, parts - 1);
  });
  return () => cancel();
};
