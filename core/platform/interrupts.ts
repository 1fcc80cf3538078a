// SPDX-License-Identifier: MIT

import type { Bdf } from '../bdf.ts';
import type { PciFunction } from './pci.ts';

/**
 * The hypervisor's side of interrupts: PIRQs for a guest.
 *
 * All calls are synchronous hypercalls. They throw `HostError` with the errno of the refusal. Config space is not
 * touched: enable bits are the caller's.
 */
export interface InterruptMapper {
  /**
   * Tells the hypervisor where the MSI-X table is, while the host still owns the device.
   * The caller has checked that the function has an MSI-X capability: without one this call can take a host down.
   */
  prepareMsix(device: PciFunction): void;
  /** Undoes {@link prepareMsix}; same precondition. */
  releaseMsix(device: PciFunction): void;
  /** Maps the function's one MSI vector for `domain`; returns the PIRQ. */
  mapMsi(domain: number, device: PciFunction): number;
  /** Maps an entry of the MSI-X table, whose BAR starts at `tableBase`, for `domain`; returns the PIRQ. */
  mapMsix(domain: number, device: PciFunction, entry: number, tableBase: bigint): number;
  /** Takes note of a PIRQ that an earlier process mapped for `domain`; it is unmapped as any. Missing: nobody counts. */
  adopt?(domain: number, device: PciFunction, pirq: number): void;
  /**
   * The PIRQ that a process which is gone has mapped for `domain`: of the function's MSI, or of this entry of its MSI-X table.
   * `undefined`: there is none. Missing: the hypervisor does not tell.
   */
  mappedFor?(domain: number, device: Bdf, entry: number | undefined): number | undefined;
  /**
   * Writes the messages of what is mapped into a function that a reset took them from. Its MSI-X table must answer: BARs as
   * assigned, memory decode on. Missing: they outlive a reset.
   */
  restoreMessages?(device: PciFunction): void;
  /** Unmaps. A domain that is gone already is not an error. */
  unmap(domain: number, pirq: number): void;
  /** PIRQ of the function's legacy line, 0 if it has none. */
  linePirq(device: PciFunction): number;
}
