// SPDX-License-Identifier: MIT

import { formatBdf } from '../bdf.ts';
import { describeError } from '../errors/index.ts';
import type { Hooks, Owned } from '../hooks/index.ts';
import type { DeviceInterrupts, InterruptLimits, InterruptMemory, NamedPolicy, SharedLines } from '../interrupts.ts';
import type { Journal } from '../journal.ts';
import type { Platform, ResetOutcome } from '../platform/index.ts';
import type { Contribution } from '../space/compile.ts';
import { type AccessRules, Assignment, type ResumedDevice, type Tenant } from './assignment.ts';
import { type InterruptDriver, type InterruptDriverTerms, makeInterrupts } from './interrupt-driver.ts';
import type { SeizedDevice } from './seized-device.ts';

/** Decisions of the operator that the stub carries out. */
export interface StubPolicy {
  /** What becomes of a device whose reset failed, and of one that has no reset method (D-S8, S-16). */
  readonly onReset: { readonly failed: 'quarantine' | 'allow'; readonly unsupported: 'quarantine' | 'allow' };
  /** What becomes of a line that the host's drivers use, where it cannot be claimed; missing: `refuse`. */
  readonly sharedLines?: SharedLines;
  /** Whether the administrator made writes without a field pass for this device and guest. */
  permissive(device: SeizedDevice, guest: Tenant): boolean;
  /** Whether the administrator lets this guest, a device model, switch interrupts of the device by config writes. */
  allowInterruptControl(device: SeizedDevice, guest: Tenant): boolean;
  /** Name of the guest's interrupt policy. */
  interruptPolicy(guest: Tenant): string;
  /** @throws PcibackError `CHOICE_UNKNOWN` */
  interruptPolicyNamed(name: string): NamedPolicy;
  /** Who carries out what guests ask of interrupts; `undefined`: no plugin does. */
  interruptDriver(): Owned<InterruptDriver> | undefined;
  /** Field sets and quirks for this device, fields first. */
  contributions(device: SeizedDevice): Contribution[];
  /** What quirks know of this device's line interrupt. */
  interruptLimits(device: SeizedDevice): InterruptLimits;
}

/** Why the outcome of a reset keeps the device from guests, if the operator's policy says so. */
export const quarantineAfter = (outcome: ResetOutcome, { onReset }: StubPolicy): string | undefined => {
  if (outcome.ok || onReset[outcome.reason] === 'allow') return undefined;
  return outcome.reason === 'failed' ? `its reset failed: ${outcome.detail}` : 'it has no reset method';
};

/** What assignments are made with. */
export interface AssignerTerms {
  readonly platform: Platform;
  readonly hooks: Hooks;
  readonly policy: StubPolicy;
  readonly journal: () => Journal;
  /** Resets the function while its guest has it; the status to answer. */
  readonly reset: (device: SeizedDevice, tenant: Tenant) => Promise<number>;
}

/**
 * Makes what a guest gets with a device: its rules and its interrupts. It keeps nothing of what it made: when a
 * device is given, taken back and locked is the stub's (`stub.ts`), what a guest does with it the assignment's.
 */
export class Assigner {
  readonly #terms: AssignerTerms;

  constructor(terms: AssignerTerms) {
    this.#terms = terms;
  }

  /**
   * The caller has the device's lock, and puts the assignment into the device.
   *
   * @param resumed what an earlier process left of it
   * @throws HostError when the device does not answer while its table is compiled
   * @throws PcibackError `PLUGIN_FAULT`; `POLICY_FAILED`, `CHOICE_UNKNOWN` for the interrupt policy
   */
  assign(device: SeizedDevice, tenant: Tenant, resumed?: ResumedDevice): Assignment {
    const { operations, bdf } = device;
    const rules = this.#rules(device, tenant);
    this.#tellPowers(device, tenant, rules);
    const limits = this.#terms.hooks.call('interruptLimits', device) ?? this.#terms.policy.interruptLimits(device);
    const journal = this.#terms.journal();
    const memory: InterruptMemory = {
      noted: resumed?.interrupts,
      interrupted: resumed?.interrupted === true,
      note: (interrupts) => journal.devices.merge(formatBdf(bdf), { interrupts }),
    };
    return new Assignment({
      bdf,
      journal,
      resumed,
      operations,
      tenant,
      rules,
      limits,
      wall: this.#terms.hooks.wall,
      interrupts: this.#interrupts(device, tenant, { policy: rules.policy, allowed: rules.allowed, limits, memory }),
      reset: () => this.#terms.reset(device, tenant),
    });
  }

  /** Nothing of it outlives the assignment, the permission neither (S-4, seed 476878e4b2). */
  #interrupts(
    device: SeizedDevice,
    tenant: Tenant,
    chosen: Pick<InterruptDriverTerms, 'policy' | 'allowed' | 'limits' | 'memory'>,
  ): DeviceInterrupts {
    const { platform, hooks, policy } = this.#terms;
    const { log } = tenant.budget;
    const bdf = formatBdf(device.bdf);
    return makeInterrupts(policy.interruptDriver(), {
      ...chosen,
      device,
      guest: tenant,
      operations: device.operations,
      platform,
      sharedLines: policy.sharedLines ?? 'refuse',
      find: (name) => policy.interruptPolicyNamed(name),
      objection: (kind) => hooks.call('interruptControl', { kind, device, guest: tenant })?.refused,
      wall: hooks.wall,
      warn: (more, message) => log.warn({ bdf, ...more }, message),
      log,
    });
  }

  /**
   * Looks at what plugins say now for a device that a guest has. One that cannot be looked at is, as soon as it can be.
   * Throws as {@link Assignment.prepare}.
   *
   * @returns puts it in force; `undefined`: nothing is other than before
   */
  prepare(
    device: SeizedDevice,
    assignment: Assignment,
    overlap: 'refuse' | 'leave out',
  ): (() => void) | 'later' | undefined {
    const { tenant } = assignment;
    // Of a change that another device, or somebody else, refused.
    assignment.dropSpare();
    const rules = this.#rules(device, tenant);
    if (!assignment.isConcernedBy(rules)) return undefined;
    if (assignment.isBusy) {
      assignment.whenSettled(() => this.#catchUp(device, assignment));
      return 'later';
    }
    const before = assignment.rules;
    const commit = assignment.prepare(rules, overlap);
    return () => {
      commit();
      this.#tellPowers(device, tenant, rules, before);
    };
  }

  /** A device that could not be looked at when plugins came or went may be now; or it was the answer to something else. */
  #catchUp(device: SeizedDevice, assignment: Assignment): void {
    try {
      const commit = this.prepare(device, assignment, 'leave out');
      if (typeof commit === 'function') commit();
    } catch (error) {
      const facts = { bdf: formatBdf(device.bdf), why: describeError(error) };
      assignment.tenant.budget.log.error(facts, 'device keeps its old registers');
    }
  }

  /** What plugins and operator say at this moment. */
  #rules(device: SeizedDevice, tenant: Tenant): AccessRules {
    const answer = this.#terms.hooks.call('unhandledWrite', device, tenant);
    const { unhandled, recorder = undefined } = typeof answer === 'object' ? answer : { unhandled: answer };
    return {
      unhandled: unhandled ?? (this.#terms.policy.permissive(device, tenant) ? 'permissive' : 'drop'),
      allowed: this.#terms.policy.allowInterruptControl(device, tenant),
      recorder,
      policy: this.#terms.policy.interruptPolicyNamed(this.#terms.policy.interruptPolicy(tenant)),
      contributions: this.#terms.policy.contributions(device),
    };
  }

  /** Says what this guest may do that others may not, when it begins: once for each device, loudly (XSA-131). */
  #tellPowers({ bdf: address }: SeizedDevice, { budget: { log } }: Tenant, now: AccessRules, before?: AccessRules) {
    const bdf = formatBdf(address);
    if (now.unhandled === 'permissive' && before?.unhandled !== 'permissive')
      log.warn({ bdf }, 'permissive: writes without a field reach the device');
    if (now.allowed && before?.allowed !== true)
      log.warn({ bdf }, 'interrupt control: this guest may switch interrupts by config writes');
  }
}
