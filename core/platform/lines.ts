// SPDX-License-Identifier: MIT

import type { PciFunction } from './pci.ts';

/** What a handler on a line says of an interrupt: that it was for it, or that another one has to be asked. */
export type LineVerdict = 'handled' | 'not mine';

/** A handler that is installed on a line of the host. */
export interface LineClaim {
  /** Takes the handler off the line. A second call does nothing. */
  release(): void;
  /** `off`: the function is kept from its line by us, and stays so. Missing: no handler here stops a function. */
  readonly hear?: (state: 'on' | 'off') => void;
}

/**
 * The host's half of line interrupts: lines that a guest's device shares with devices of the host itself.
 *
 * The hypervisor delivers a line interrupt to every domain that bound its PIRQ. If a driver of the host did, the host hears
 * the guest's device too, and shuts a line down on which it hears much that nobody claims.
 * All calls are synchronous and throw `HostError`. The line of a function is `PciFunction.line`.
 */
export interface LineInterrupts {
  /** Whether {@link claim} can work here at all. */
  readonly canClaim: boolean;
  /** Whether it can work for this function. Missing: {@link canClaim} says it of all. */
  canClaimFor?(device: PciFunction): boolean;
  /**
   * Installs a handler on the function's line, beside those of the host's drivers. It is called for every interrupt of
   * the line, whichever device raised it, and may be called as soon as this call runs.
   *
   * @param name as the host lists it among the handlers of the line, e.g. `xen-pciback[0000:03:00.0]`
   * @throws HostError EOPNOTSUPP where {@link canClaim} is false, EINVAL for a function without a line, else the errno
   * of the host's refusal
   */
  claim(device: PciFunction, name: string, handler: () => LineVerdict): LineClaim;
  /**
   * Whether more than one domain has bound the PIRQ of a line (PHYSDEVOP_irq_status_query, flag 2).
   *
   * @throws HostError ENOENT for a line that this host does not have, else the errno of the hypervisor's refusal
   */
  isShared(line: number): boolean;
  /** Names of the host's own drivers that have a handler on the line, not pass-through's. @throws HostError when it cannot be told */
  hostUsers(line: number): readonly string[];
}
