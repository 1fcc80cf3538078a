// SPDX-License-Identifier: MIT

import type { EventChannel } from './memory.ts';
import type { PciFunction, PciIdentity, PciResource } from './pci.ts';

/** What a function that is not there looks like. */
export interface PaperFacts {
  readonly identity: PciIdentity;
  readonly resources: readonly PciResource[];
  /** As `PciFunction.line`. */
  readonly line: number;
  /** Its config space, `identity.configSize` bytes, which are copied. */
  readonly config: Uint8Array;
}

/** A function that is not there: config space is memory of this process, a reset does nothing. */
export interface PaperFunction extends PciFunction {
  /** Gives up what it has; every later access throws `HostError`. */
  close(): void;
}

/**
 * The platform's own calls, for a guest that is not there: what they reach is this process and nothing else. Objects have
 * the shapes that those for guests have, and calls go the same way, so that the engine takes one for the other.
 */
export interface RehearsalParts {
  /**
   * A channel from this process to itself; both ends keep the obligations of `EventChannels`.
   *
   * @param here listener of the end that stands for a back end's
   * @param there listener of the end that stands for a guest's
   * @throws HostError when the hypervisor refuses; nothing is left bound then
   */
  channel(here: () => void, there: () => void): { readonly here: EventChannel; readonly there: EventChannel };
  /** @throws HostError when the host refuses */
  function(facts: PaperFacts): PaperFunction;
}
