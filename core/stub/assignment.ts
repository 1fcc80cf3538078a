// SPDX-License-Identifier: MIT

import { type Bdf, hex } from '../bdf.ts';
import type { GuestFacts } from '../hooks/table.ts';
import type { DeviceInterrupts, InterruptPolicy } from '../interrupts.ts';
import type { RateLimit } from '../log.ts';
import { type Contribution, compileSpace, type Unhandled } from '../space/compile.ts';
import { type AccessSink, ConfigSpace } from '../space/config-space.ts';
import type { DenialReason, DenialRecord } from '../space/denials.ts';
import type { HostOperations } from './host-operations.ts';

/** A guest as the stub knows it: whom a device is given to, and where it reports what the guest may not do. */
export interface Tenant extends GuestFacts {
  readonly denials: DenialRecord;
  /** For messages that the guest can cause. */
  readonly limit: RateLimit;
  /** A refusal was recorded for the first time. */
  readonly refused: (denial: NonNullable<ReturnType<DenialRecord['record']>>) => void;
  /** A deferred register write has ended. */
  readonly settled: (status: number) => void;
  readonly warn: (facts: object, message: string) => void;
}

/** How a guest has a device. */
export interface AssignmentTerms {
  readonly bdf: Bdf;
  readonly operations: HostOperations;
  readonly tenant: Tenant;
  readonly policy: InterruptPolicy;
  readonly unhandled: Unhandled;
  readonly contributions: readonly Contribution[];
  readonly interrupts: DeviceInterrupts;
  /** Resets the function while the guest has it. */
  readonly reset: () => Promise<number>;
  /** Told about field sets that do not fit this device. */
  readonly skipped: (set: string, why: string) => void;
}

/**
 * One device in the hands of one guest, with everything that is the guest's about it. It is made anew for every guest,
 * so nothing of one can reach the next (S-4).
 */
export class Assignment implements AccessSink {
  readonly tenant: Tenant;
  readonly space: ConfigSpace;
  readonly interrupts: DeviceInterrupts;
  readonly #terms: AssignmentTerms;

  /** @throws HostError when the device does not answer while its table is compiled. */
  constructor(terms: AssignmentTerms) {
    this.#terms = terms;
    this.tenant = terms.tenant;
    this.interrupts = terms.interrupts;
    terms.operations.serve({
      permissive: terms.unhandled === 'permissive',
      allowInterruptControl: false,
      policy: terms.policy,
      reset: terms.reset,
      settled: terms.tenant.settled,
    });
    const table = compileSpace(terms.operations, terms.contributions, {
      unhandled: terms.unhandled,
      deny: (offset, _size, mask, owner, why) => this.space.refusedByBehaviour(offset, mask, owner, why),
      skipped: terms.skipped,
    });
    this.space = new ConfigSpace(terms.operations.hardware, table, this);
  }

  denied(
    offset: number,
    size: number,
    value: number,
    mask: number,
    why: string | undefined,
    owner: string | undefined,
  ): void {
    const { bdf, tenant } = this.#terms;
    const fresh = tenant.denials.record(bdf, offset, size, value, mask, why, owner);
    if (fresh !== undefined) tenant.refused(fresh);
  }

  failed(offset: number, error: unknown): void {
    const { bdf, tenant } = this.#terms;
    if (tenant.limit.allows()) tenant.warn({ bdf, offset: `0x${hex(offset, 2)}`, error }, 'config access failed');
  }

  /** Why bits of this device's config space were refused, from the table; for rules without a behaviour of their own. */
  explain(offset: number, mask: number, rule: string | undefined, owner: string | undefined): DenialReason {
    if (rule !== undefined && owner !== undefined) return { owner, why: rule };
    const claims = this.space.claimsOf(offset, mask);
    const [first] = claims;
    if (first === undefined) return { owner: 'policy: drop', why: 'no field claims these bits' };
    const owners = [...new Set(claims.map((claim) => claim.owner))].join('; ');
    return { owner: owners, why: first.policy === 'readOnly' ? 'read-only' : 'fixed' };
  }
}
