// SPDX-License-Identifier: MIT

import { formatBdf } from '../../core/bdf.ts';
import type { GuestLog } from '../../core/budget.ts';
import { describeError } from '../../core/errors/index.ts';
import type { FenceReason, GuestFacts } from '../../core/facts.ts';
import type { DomainControl, Platform } from '../../core/platform/index.ts';
import type { Assignment, SeizedDevice, Stub } from '../../core/stub/index.ts';
import { fail } from '../errors.ts';
import type { ErrorOptions } from './section.ts';

/** What an operator lets follow when a device was fenced. */
export type AfterFence = ErrorOptions['onFailure'];

/** What a fence is made with. */
export interface FenceTerms {
  readonly platform: Pick<Platform, 'name' | 'domains'>;
  readonly stub: Pick<Stub, 'fence'>;
  readonly onFailure: AfterFence;
}

/**
 * Cuts a device off from its guest when the guest cannot be trusted with it any more (S-6): no bus master, no interrupts,
 * every request fails. Memory and I/O decode stay: switching them off can take the host down (XSA-120).
 */
export class Fence {
  readonly #terms: FenceTerms;
  readonly #follow: DomainControl['pause'];
  /** Guests that were paused or destroyed: once is enough. */
  readonly #followed = new WeakSet<GuestFacts>();

  /** @throws PcibackError `FENCE_UNSUPPORTED` when the platform cannot do what is to follow */
  constructor(terms: FenceTerms) {
    this.#terms = terms;
    const { onFailure, platform } = terms;
    if (onFailure === 'fence') return;
    this.#follow =
      platform.domains?.[onFailure] ?? fail('FENCE_UNSUPPORTED', { platform: platform.name, action: onFailure });
  }

  /**
   * Fences. A step that fails is logged and keeps no other from being done; a device that is fenced already stays so.
   *
   * @param markFailed leaves a note for the toolstack
   */
  async put(
    device: SeizedDevice,
    assignment: Assignment,
    reason: FenceReason,
    markFailed: () => Promise<void>,
  ): Promise<void> {
    if (assignment.fenced !== undefined) return;
    const { stub, onFailure } = this.#terms;
    const { tenant } = assignment;
    const { log } = tenant.budget;
    const facts = { bdf: formatBdf(device.bdf) };
    for (const error of stub.fence(device, assignment, reason))
      log.error({ ...facts, error }, 'a step of fencing failed');
    log.error({ ...facts, reason, onFailure }, 'device fenced');
    await markFailed();
    if (this.#follow === undefined || this.#followed.has(tenant)) return;
    this.#followed.add(tenant);
    // Its toolstack may take its time, the host's recovery may not.
    void this.#stop(tenant.budget.log, this.#follow);
  }

  async #stop(log: GuestLog, follow: NonNullable<DomainControl['pause']>): Promise<void> {
    const { onFailure } = this.#terms;
    try {
      await follow(log.guest);
      log.warn({ onFailure }, 'guest stopped');
    } catch (error) {
      log.error({ onFailure, error: describeError(error) }, 'guest not stopped');
    }
  }
}
