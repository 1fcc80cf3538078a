// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf, hex } from '../bdf.ts';
import type { GuestBudget } from '../budget.ts';
import { fail, isPcibackError } from '../errors/index.ts';
import type { FenceReason, GuestFacts } from '../facts.ts';
import type { DeviceInterrupts, InterruptLimits, InterruptNotes, NamedPolicy } from '../interrupts.ts';
import type { Journal } from '../journal.ts';
import { HostError, type KeptMemory } from '../platform/index.ts';
import {
  type CompiledSpace,
  type Conflict,
  type Contribution,
  compileSpace,
  HOST_WORDS,
  stateOfTable,
  type TableState,
  type Unhandled,
} from '../space/compile.ts';
import { type AccessSink, ConfigSpace } from '../space/config-space.ts';
import type { Denial, DenialRecord } from '../space/denials.ts';
import type { AccessRecorder } from '../space/recorder.ts';
import type { Refusal } from '../space/refusal.ts';
import type { DeviceView } from '../space/views.ts';
import type { Wall } from '../wall/wall.ts';
import type { HostOperations } from './host-operations.ts';

/** D2 and D3hot: registers outside of the power management capability may not answer. */
const LOW_POWER = 2;

/** A guest as the stub knows it: whom a device is given to, and where it reports what the guest may not do. */
export interface Tenant extends GuestFacts {
  readonly denials: DenialRecord;
  readonly budget: GuestBudget;
  /** A refusal was recorded for the first time. */
  readonly refused: (denial: Denial) => void;
  /** A deferred register write has ended. */
  readonly settled: (status: number) => void;
  /** Does `work` while no other thread answers the guest, and after what one has left. */
  readonly hold: (work: () => void) => void;
  /** What another thread may answer from has changed. */
  readonly viewChanged: () => void;
}

/** What plugins and the operator say about a guest's accesses; changes when plugins come or go. */
export interface AccessRules {
  readonly unhandled: Unhandled;
  /** The administrator lets the guest, a device model, switch interrupts by config writes. */
  readonly allowed: boolean;
  readonly policy: NamedPolicy;
  readonly contributions: readonly Contribution[];
  /** Takes every access down. */
  readonly recorder: AccessRecorder | undefined;
}

/** What an earlier process left of a device that a guest has. */
export interface ResumedDevice {
  readonly fenced: FenceReason | undefined;
  readonly interrupts: InterruptNotes | undefined;
  /** It died while it carried out an interrupt request of the guest for the device. */
  readonly interrupted: boolean;
  /** Of its registers; `undefined`: they start from hardware and the rules. */
  readonly state: TableState | undefined;
}

/** How a guest has a device. */
export interface AssignmentTerms {
  readonly bdf: Bdf;
  readonly operations: HostOperations;
  readonly tenant: Tenant;
  readonly rules: AccessRules;
  readonly wall: Wall;
  readonly interrupts: DeviceInterrupts;
  readonly limits: InterruptLimits;
  /** Resets the function while the guest has it. */
  readonly reset: () => Promise<number>;
  readonly journal: Journal;
  /** Missing: the guest gets it now. */
  readonly resumed?: ResumedDevice | undefined;
}

const sameContribution = (one: Contribution, other: Contribution | undefined): boolean =>
  one.owner === other?.owner &&
  ('set' in one ? 'set' in other && one.set === other.set : 'surgery' in other && one.surgery === other.surgery);

/**
 * One device in the hands of one guest, with everything that is the guest's about it. It is made anew for every guest,
 * so nothing of one can reach the next (S-4).
 */
export class Assignment implements AccessSink {
  readonly tenant: Tenant;
  readonly space: ConfigSpace;
  readonly interrupts: DeviceInterrupts;
  /** The device goes back: nothing about it changes any more. */
  ended = false;
  /** Ends the platform's watch for errors of the device. */
  unwatch: (() => void) | undefined;
  #fenced: FenceReason | undefined;
  readonly #terms: AssignmentTerms;
  #rules: AccessRules;
  /** Sets that the table in force leaves out. */
  #skipped: ReadonlySet<string>;
  /** State of a table that is prepared. */
  #spare: KeptMemory | undefined;
  /** Resets under way. */
  #resets = 0;
  #whenSettled: (() => void) | undefined;

  /** @throws HostError when the device does not answer while its table is compiled. */
  constructor(terms: AssignmentTerms) {
    this.#terms = terms;
    this.#rules = terms.rules;
    this.tenant = terms.tenant;
    this.interrupts = terms.interrupts;
    const rules = (): AccessRules => this.#rules;
    terms.operations.serve({
      get permissive() {
        return rules().unhandled === 'permissive';
      },
      get allowed() {
        return rules().allowed;
      },
      limits: terms.limits,
      interrupts: terms.interrupts,
      reset: () => this.whileReset(terms.reset),
      settled: (status) => {
        // Before the answer: the guest's next request may follow at once.
        if (!this.ended) this.#lookAgain();
        terms.tenant.settled(status);
      },
    });
    const { operations, resumed } = terms;
    this.#fenced = resumed?.fenced;
    if (resumed?.state !== undefined) operations.words.set(resumed.state.host);
    const { table, skipped } = this.#compile(terms.rules, resumed?.state);
    this.#inForce(table);
    this.#tellSkipped(skipped);
    this.#skipped = new Set(skipped.keys());
    this.space = new ConfigSpace(terms.operations.hardware, table, this);
    this.space.record(terms.rules.recorder);
  }

  /** Notes where the state of the device is from now on. */
  #inForce({ words, kept, bits, layout }: CompiledSpace): void {
    const { operations, journal, bdf } = this.#terms;
    operations.words = words.subarray(0, HOST_WORDS);
    const table = kept.at < 0 ? undefined : { at: kept.at, size: bits.size, layout };
    journal.devices.merge(formatBdf(bdf), { table });
  }

  get rules(): AccessRules {
    return this.#rules;
  }

  /** Why the device was cut off from its guest, for as long as it stays with it. */
  get fenced(): FenceReason | undefined {
    return this.#fenced;
  }

  /**
   * Cuts the device off: from now on every request for it fails, it masters no bus and interrupts nobody. Decode stays.
   *
   * @returns what the device or the host refused
   */
  fence(reason: FenceReason): string[] {
    this.#fenced = reason;
    this.#terms.journal.devices.merge(formatBdf(this.#terms.bdf), { fenced: reason });
    this.tenant.viewChanged();
    return this.#cutOff();
  }

  #cutOff(): string[] {
    const { operations } = this.#terms;
    const refusals: string[] = [];
    const step = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        if (!(error instanceof HostError) && !isPcibackError(error, 'PLUGIN_FAULT')) throw error;
        refusals.push(error.message);
      }
    };
    step(() => operations.setBusMaster('off'));
    step(() => this.interrupts.teardown());
    // Without messages the device would fall back to its line.
    step(() => operations.holdIntx('on'));
    return refusals;
  }

  /**
   * Resets the device, or gives it its registers back after a reset. No other thread reaches it meanwhile: it would neither
   * wait until the function may be asked again, nor know that what it has of the registers is not so any more.
   */
  async whileReset<T>(work: () => Promise<T>): Promise<T> {
    const { bdf, tenant } = this.#terms;
    this.#resets++;
    tenant.hold(tenant.viewChanged);
    try {
      return await work();
    } finally {
      this.#resets--;
      if (!this.ended && this.#resets === 0) {
        // The registers came back as they were before the fence.
        const refusals = this.#fenced === undefined ? [] : this.#cutOff();
        for (const why of refusals) tenant.budget.log.warn({ bdf: formatBdf(bdf), why }, 'a step of fencing failed');
        this.#lookAgain();
        tenant.viewChanged();
      }
    }
  }

  /** Registers may be other ones than before, and the device can be looked at again. */
  #lookAgain(): void {
    const waiting = this.#whenSettled;
    this.#whenSettled = undefined;
    waiting?.();
    this.space.refresh();
  }

  /** Whether it changes its power state or is being reset: a request that waits for that is answered when it has ended. */
  get isSettling(): boolean {
    return this.#resets > 0 || this.#terms.operations.busy;
  }

  /** Whether the device cannot be looked at now: it is in low power, changes its power state, or is being reset. */
  get isBusy(): boolean {
    return this.isSettling || this.#terms.operations.powerState >= LOW_POWER;
  }

  /** Calls `task` when the device can be looked at again, before its guest gets the answer it waits for. */
  whenSettled(task: () => void): void {
    this.#whenSettled = task;
  }

  /** Whether these rules are other ones than those in force. */
  isConcernedBy(rules: AccessRules): boolean {
    const { unhandled, allowed, recorder, contributions } = this.#rules;
    return (
      rules.unhandled !== unhandled ||
      rules.allowed !== allowed ||
      this.interrupts.differsFrom(rules.policy) ||
      rules.recorder !== recorder ||
      rules.contributions.length !== contributions.length ||
      rules.contributions.some((one, index) => !sameContribution(one, contributions[index]))
    );
  }

  /**
   * Compiles the table for other rules; state of what stays goes on.
   *
   * @returns puts it in force, at once and without failing
   * @throws PcibackError `FIELD_OVERLAP` when a set now lies over bits that another one has in this device
   * @throws HostError when the device does not answer
   */
  prepare(rules: AccessRules, overlap: 'refuse' | 'leave out'): () => void {
    const { table, skipped } = this.#compile(rules, stateOfTable(this.space.table));
    this.#spare = table.kept;
    const isOther = rules.allowed !== this.#rules.allowed || this.interrupts.differsFrom(rules.policy);
    const takePolicy = isOther ? this.interrupts.prepare(rules.policy, rules.allowed) : () => {};
    const fresh = [...skipped].filter(([set]) => !this.#skipped.has(set));
    for (const [set, { conflict }] of overlap === 'refuse' ? fresh : []) {
      if (conflict === undefined) continue;
      const { dword, owner } = conflict.other;
      fail('FIELD_OVERLAP', { register: set, other: owner, offset: hex(dword, 2), bits: hex(conflict.bits, 8) });
    }
    return () => {
      this.#spare = undefined;
      this.#tellSkipped(fresh);
      this.#skipped = new Set(skipped.keys());
      this.#rules = rules;
      this.tenant.hold(() => {
        // Together with the table: no request is answered by the one and the policy before.
        takePolicy();
        const { kept } = this.space.table;
        this.space.swap(table);
        this.#inForce(table);
        this.#terms.journal.free(kept);
        this.space.record(rules.recorder);
        this.tenant.viewChanged();
      });
    };
  }

  /** Frees the state of a table that was prepared and is not to come in force. */
  dropSpare(): void {
    if (this.#spare !== undefined) this.#terms.journal.free(this.#spare);
    this.#spare = undefined;
  }

  /** What another thread may answer from; `null`: nothing. */
  get deviceView(): DeviceView | null {
    return this.ended || this.#fenced !== undefined || this.#resets > 0 ? null : this.space.deviceView;
  }

  /** Does what writes that another thread answered have put off. */
  closeGates(): void {
    if (!this.ended && this.space.closeGates()) this.interrupts.follow();
  }

  #compile(rules: AccessRules, previous: TableState | undefined) {
    const { journal } = this.#terms;
    let kept: KeptMemory | undefined;
    const skipped = new Map<string, { readonly why: string; readonly conflict: Conflict | undefined }>();
    const allocate = (bytes: number): KeptMemory => {
      kept = journal.allocate(bytes);
      return kept;
    };
    try {
      const table = compileSpace(this.#terms.operations, rules.contributions, {
        wall: this.#terms.wall,
        guest: this.tenant.domain,
        unhandled: rules.unhandled,
        skipped: (set, why, conflict) => skipped.set(set, { why, conflict }),
        allocate,
        ...(previous === undefined ? {} : { previous }),
      });
      return { table, skipped };
    } catch (error) {
      if (kept !== undefined) journal.free(kept);
      throw error;
    }
  }

  /** Field sets that do not fit this device. */
  #tellSkipped(skipped: Iterable<readonly [set: string, { readonly why: string }]>): void {
    const bdf = formatBdf(this.#terms.bdf);
    for (const [set, { why }] of skipped) this.tenant.budget.log.warn({ bdf, set, why }, 'field set left out');
  }

  denied(refusal: Refusal): void {
    const { bdf, tenant } = this.#terms;
    const fresh = tenant.denials.record(bdf, refusal);
    if (fresh !== undefined) tenant.refused(fresh);
  }

  failed(offset: number, error: unknown): void {
    // The wall has told it.
    if (isPcibackError(error, 'PLUGIN_FAULT')) return;
    const { bdf, tenant } = this.#terms;
    const facts = { bdf: formatBdf(bdf), offset: `0x${hex(offset, 2)}`, error };
    tenant.budget.log.warn(facts, 'config access failed');
  }
}
