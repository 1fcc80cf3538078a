// SPDX-License-Identifier: MIT

import { formatBdf } from '../../core/bdf.ts';
import type { GuestLog } from '../../core/budget.ts';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import type { FenceReason } from '../../core/facts.ts';
import type { Logger } from '../../core/log.ts';
import { type DeviceError, Errno, HostError } from '../../core/platform/index.ts';
import { ChannelState, type GuestVerdict, Verdict } from '../../core/ring/layout.ts';
import { isSilent } from '../../core/space/capabilities.ts';
import { type Assignment, SavedConfig, type SeizedDevice, type Stub } from '../../core/stub/index.ts';
import { initialVerdicts } from '../initial-verdicts.ts';
import type { AerOutcome } from './error-requests.ts';
import type { Fence } from './fence.ts';
import { verdictName } from './names.ts';
import { stageRules } from './stages.ts';

/** A guest that can be asked about errors of its devices. */
export interface ErrorGuest {
  /**
   * Asks it. `no ring`: it is not connected; `no address`: it has the device at no virtual address.
   *
   * @param state the channel state for aerDetected, 1 for the others
   * @param patience milliseconds
   */
  askAboutError(
    device: SeizedDevice,
    command: number,
    state: number,
    patience: number,
  ): Promise<AerOutcome | 'no ring' | 'no address'>;
  /** Leaves the note that the guest's devices are not to be relied on. Never rejects. */
  markFailed(log: GuestLog): Promise<void>;
}

/** What asking guests about errors needs. */
export interface GuestErrorTerms {
  readonly stub: Pick<Stub, 'devices' | 'reset'>;
  readonly fence: Fence;
  readonly log: Logger;
  /** Milliseconds that a guest gets for one answer. */
  readonly patience: number;
  /** The guest that has the device. */
  readonly guestOf: (device: SeizedDevice, assignment: Assignment) => ErrorGuest | undefined;
}

/** Why a guest is fenced for this outcome; `undefined`: it is not. */
const reasonFor = (outcome: AerOutcome | 'no ring' | 'no address'): FenceReason | undefined => {
  switch (outcome) {
    case 'time-out':
      return 'no answer';
    case 'closed':
      return 'no ring';
    case Verdict.none:
    case Verdict.disconnect:
      return 'guest gave up';
    case 'no ring':
    case 'no handler':
    case 'no address':
      return outcome;
    default:
      return undefined;
  }
};

/**
 * The guests' part of a host's recovery: each stage of an error, for one device, becomes a question to the guest that
 * has it, and a verdict for the host. A guest that does not answer, gives up or cannot be asked is fenced.
 *
 * Nothing is locked while a guest is waited for: other guests, and other devices of the same one, come and go (D-I5).
 */
export class GuestErrors {
  readonly #terms: GuestErrorTerms;
  /** Registers as they were when the error was detected, before anything was reset. */
  readonly #before = new WeakMap<Assignment, SavedConfig>();

  constructor(terms: GuestErrorTerms) {
    this.#terms = terms;
  }

  /** One stage for one device. Never rejects. */
  readonly handle = async (error: DeviceError): Promise<GuestVerdict> => {
    const initial = initialVerdicts[error.stage];
    const device = this.#terms.stub.devices.find((one) => one.bdf === error.bdf);
    const assignment = device?.assignment;
    if (device === undefined || assignment === undefined || assignment.ended) {
      this.#terms.log.info({ bdf: formatBdf(error.bdf), stage: error.stage }, 'error of a device that no guest has');
      if (device !== undefined && mayHaveLostRegisters(error)) await this.#putBack(device);
      return initial;
    }
    // It is as good as dead already; nobody is asked about it again. Its link was reset all the same.
    if (assignment.fenced !== undefined) {
      if (mayHaveLostRegisters(error)) await this.#putBack(device);
      return initial;
    }
    try {
      return await this.#handle(device, assignment, error);
    } catch (failure) {
      // A defect must leave the host's recovery neither waiting nor deceived.
      const facts = { bdf: formatBdf(device.bdf), error: describeError(failure) };
      assignment.tenant.budget.log.error(facts, 'error not handled');
      await this.#fence(device, assignment, 'host gave up');
      return Verdict.disconnect;
    }
  };

  async #handle(device: SeizedDevice, assignment: Assignment, error: DeviceError): Promise<GuestVerdict> {
    const { stage, channel } = error;
    const rule = stageRules[stage];
    const initial = initialVerdicts[stage];
    const wasReset = channel === ChannelState.frozen;
    if (stage === 'detected' && channel !== ChannelState.permanentFailure) {
      const isLost = this.#remember(device, assignment);
      // Its driver lets go of its vectors now, and the hypervisor masks them in the table: in one that does not answer it cannot, and
      // keeps the whole function masked from then on (seen: Xen 4.17).
      if (isLost && wasReset) await this.#makeUsable(device, assignment, 'restore');
      if (!isWith(device, assignment)) return initial;
    }
    if (stage === 'slotReset' || (stage === 'mmioEnabled' && wasReset)) {
      const fits = await this.#makeUsable(device, assignment, wasReset ? 'restore' : 'reset');
      if (!isWith(device, assignment)) return initial;
      if (!fits) {
        await this.#fence(device, assignment, 'not reset');
        return Verdict.disconnect;
      }
    }
    const outcome = await this.#ask(device, assignment, error);
    // It went back while the guest thought about it: what the guest says concerns nobody any more.
    if (!isWith(device, assignment)) return initial;
    if (stage === 'detected' && channel === ChannelState.permanentFailure) {
      await this.#fence(device, assignment, 'host gave up');
      return Verdict.disconnect;
    }
    if (outcome === 'no handler' && rule.withoutHandler === 'leave') return initial;
    const reason = reasonFor(outcome);
    const ignored = typeof outcome === 'number' && !rule.verdictCounts;
    if (reason !== undefined && !ignored) await this.#fence(device, assignment, reason);
    if (typeof outcome === 'number') return outcome;
    if (outcome === 'time-out') return Verdict.disconnect;
    return outcome === 'no address' ? Verdict.none : initial;
  }

  async #ask(device: SeizedDevice, assignment: Assignment, { stage, channel }: DeviceError) {
    const { guestOf, patience } = this.#terms;
    const state = stage === 'detected' ? channel : ChannelState.normal;
    const guest = guestOf(device, assignment);
    const outcome =
      guest === undefined ? 'no ring' : await guest.askAboutError(device, stageRules[stage].command, state, patience);
    // A guest can make its device raise errors for ever.
    const answer = typeof outcome === 'number' ? verdictName(outcome) : outcome;
    assignment.tenant.budget.log.info({ bdf: formatBdf(device.bdf), stage, state, answer }, 'device error');
    return outcome;
  }

  #fence(device: SeizedDevice, assignment: Assignment, reason: FenceReason): Promise<void> {
    const { fence, guestOf } = this.#terms;
    return fence.put(device, assignment, reason, async () =>
      guestOf(device, assignment)?.markFailed(assignment.tenant.budget.log),
    );
  }

  /** Keeps the registers of a device that answers and still has them; whether it has lost them. */
  #remember(device: SeizedDevice, assignment: Assignment): boolean {
    const { hardware } = device.operations;
    try {
      if (isSilent(hardware)) return false;
      if (hasLostBars(device)) {
        // Heard of after the reset: what an earlier error found is too old, so it gets what its guest began with.
        this.#before.delete(assignment);
        return true;
      }
      this.#before.set(assignment, SavedConfig.of(hardware));
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      const facts = { bdf: formatBdf(device.bdf), error: error.message };
      assignment.tenant.budget.log.warn(facts, 'registers not saved');
    }
    return false;
  }

  /**
   * Gives a device that is reset, here or by its link, its registers back, under the device's lock: that takes a moment
   * and no guest has a say in it.
   *
   * @returns whether it can be used again
   */
  #makeUsable(device: SeizedDevice, assignment: Assignment, how: 'reset' | 'restore'): Promise<boolean> {
    return device.lock.run(async () => {
      if (!isWith(device, assignment)) return false;
      return assignment.whileReset(() => this.#resetAndRestore(device, assignment, how));
    });
  }

  async #resetAndRestore(device: SeizedDevice, assignment: Assignment, how: 'reset' | 'restore'): Promise<boolean> {
    const { stub } = this.#terms;
    const { log } = assignment.tenant.budget;
    const bdf = formatBdf(device.bdf);
    try {
      const reset = how === 'reset' ? await stub.reset(device) : undefined;
      if (reset?.ok === false) {
        log.error({ bdf, why: `${reset.reason}: ${reset.detail}` }, 'device not reset after an error');
        return false;
      }
      if (isSilent(device.operations.hardware)) throw new HostError('it does not answer', Errno.EIO);
      (this.#before.get(assignment) ?? device.pristine).restore(device.operations.hardware);
      device.operations.keepIntxHeld();
      assignment.interrupts.restore();
      return true;
    } catch (error) {
      if (!(error instanceof HostError) && !isPcibackError(error, 'PLUGIN_FAULT')) throw error;
      log.error({ bdf, why: error.message }, 'device not reset after an error');
      return false;
    }
  }

  /**
   * Gives its registers back to a device that nobody is asked about: the next guest must not find lost BARs, and one
   * that is cut off keeps its decode (XSA-120). Like {@link #makeUsable} under the device's lock; never rejects.
   */
  #putBack(device: SeizedDevice): Promise<void> {
    return device.lock.run(async () => {
      // Released while this waited for the lock: it is the host's.
      if (!this.#terms.stub.devices.includes(device)) return;
      // Given back, or given to the next guest meanwhile: who has it now counts.
      const { assignment } = device;
      const work = async (): Promise<void> => this.#restore(device, assignment);
      return assignment === undefined ? work() : assignment.whileReset(work);
    });
  }

  #restore(device: SeizedDevice, assignment: Assignment | undefined): void {
    const { operations, pristine } = device;
    const bdf = formatBdf(device.bdf);
    // A device that its guest still has may raise errors for ever.
    const log = assignment?.tenant.budget.log ?? this.#terms.log;
    try {
      if (isSilent(operations.hardware)) throw new HostError('it does not answer', Errno.EIO);
      const before = assignment === undefined ? undefined : this.#before.get(assignment);
      const offsets = (before ?? pristine).restore(operations.hardware);
      if (offsets.length > 0) log.warn({ bdf, offsets }, 'registers did not take their saved value after an error');
      // One that is fenced is cut off again when this is over.
      if (assignment === undefined) operations.turnOff();
      else operations.keepIntxHeld();
    } catch (error) {
      const why = describeError(error);
      // As when it comes back from a guest: the next one would get a device in an unknown state.
      if (assignment === undefined) device.quarantine ??= `not restored after an error: ${why}`;
      log.error({ bdf, why }, 'device not restored after an error');
    }
  }
}

/** BARs of a function: no guest moves them, a reset takes their addresses. */
const FIRST_BAR = 0x10;
const AFTER_BARS = 0x28;

const hasLostBars = ({ pristine, operations }: SeizedDevice): boolean =>
  pristine.registers.some(({ offset, size, mask, value }) => {
    if (offset < FIRST_BAR || offset >= AFTER_BARS) return false;
    return (operations.hardware.readConfig(offset, size) & mask) >>> 0 !== value;
  });

/** Whether the function may have been reset since the error was detected; when a host gives up, nobody says so again. */
const mayHaveLostRegisters = ({ stage, channel }: DeviceError): boolean =>
  stage === 'slotReset' ||
  (stage === 'mmioEnabled' && channel === ChannelState.frozen) ||
  (stage === 'detected' && channel === ChannelState.permanentFailure);

const isWith = (device: SeizedDevice, assignment: Assignment): boolean =>
  device.assignment === assignment && !assignment.ended;
