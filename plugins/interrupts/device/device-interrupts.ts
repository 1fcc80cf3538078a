// SPDX-License-Identifier: MIT

import {
  type DeviceInterrupts,
  formatBdf,
  HostError,
  type InterruptDriverTerms,
  type InterruptType,
  type IntxAnswer,
  type IntxState,
  type LineState,
  type MessageKind,
  type NamedPolicy,
  type Request,
  statusName,
} from '../../../core/plugin/index.ts';
import { InterruptControl } from './interrupt-control.ts';
import { LineHandler } from './line-handler.ts';
import { type LineOwner, LineOwners } from './line-owners.ts';
import { Vectors } from './vectors.ts';

const NEXT =
  'use MSI or MSI-X in the guest, move the device to a slot with a line of its own, or set sharedLines: "allow"';

/** The interrupts of one device for one guest: vectors through the ring, a policy that is asked, a handler on the line. */
class OneDevice implements DeviceInterrupts {
  readonly #terms: InterruptDriverTerms;
  readonly #control: InterruptControl;
  readonly #handler: LineHandler;
  readonly #vectors: Vectors;
  readonly #owners: LineOwners;
  readonly #owner: LineOwner;

  /** @throws PcibackError `POLICY_FAILED`, `PLUGIN_FAULT`, `CHOICE_UNKNOWN` */
  constructor(terms: InterruptDriverTerms, owners: LineOwners) {
    const { device, guest, operations, platform, sharedLines, warn } = terms;
    this.#terms = terms;
    this.#owners = owners;
    this.#owner = {
      bdf: device.bdf,
      domain: guest.domain,
      line: operations.hardware.line,
      isKept: () => this.#handler.state.refused !== undefined,
    };
    this.#control = new InterruptControl({ ...terms, clock: platform.clock }, terms.policy);
    this.#handler = new LineHandler({
      operations,
      lines: platform.lines,
      otherGuests: () => owners.others(this.#owner),
      sharedLines,
      warn,
      refused: (why) => this.#tellRefused(why),
    });
    this.#vectors = new Vectors({
      domain: guest.domain,
      operations,
      ...(terms.memory === undefined ? {} : { memory: terms.memory }),
      mapper: platform.interrupts,
      refuses: (kind, vectors) =>
        terms.objection(kind) ?? this.#control.refusesRequest(kind, this.#currentType, vectors),
      warn: (what, why) => warn({ what, why }, 'interrupt request refused'),
      switched: (state) => (state === 'on' ? this.#handler.messagesOn() : this.#handler.messagesOff()),
    });
  }

  #tellRefused(why: string): void {
    const { device, operations, log } = this.#terms;
    // With messages the guest may never miss its line.
    const level = operations.msi === undefined && operations.msix === undefined ? 'warn' : 'info';
    log[level]({ bdf: formatBdf(device.bdf), why, next: NEXT }, 'line interrupt refused');
  }

  /** A device that does not answer counts as one for which no kind may come on. */
  get #currentType(): InterruptType {
    try {
      return this.#terms.operations.interruptType;
    } catch (error) {
      if (error instanceof HostError) return 'several';
      throw error;
    }
  }

  enableMsi(request: Request): number {
    return this.#told('enable_msi', request, this.#vectors.enableMsi(request));
  }

  disableMsi(request: Request): number {
    return this.#told('disable_msi', request, this.#vectors.disableMsi(request));
  }

  enableMsix(request: Request): number {
    return this.#told('enable_msix', request, this.#vectors.enableMsix(request));
  }

  disableMsix(request: Request): number {
    return this.#told('disable_msix', request, this.#vectors.disableMsix(request));
  }

  /** These are rare: nobody waits for the line that a level above debug leaves out. */
  #told(name: string, { value }: Request, status: number): number {
    const { device, log } = this.#terms;
    log.debug({ bdf: formatBdf(device.bdf), request: name, value, answer: statusName(status) }, 'request');
    return status;
  }

  restore(): void {
    this.#owners.add(this.#owner);
    this.#vectors.restore();
  }

  teardown(): number {
    this.#handler.quiet();
    return this.#vectors.teardown();
  }

  get refusesControlWords(): boolean {
    return this.#control.refusesControlWords;
  }

  allowsControlWord(kind: MessageKind, old: number, next: number): boolean {
    return this.#control.allowsControlWord(kind, this.#currentType, old, next);
  }

  get keepsIntxVirtual(): boolean {
    return this.#control.keepsIntxVirtual;
  }

  decidesIntx(old: IntxState, next: IntxState): IntxAnswer {
    const answer = this.#control.decidesIntx(this.#currentType, old, next);
    if (answer === 'hardware') this.#handler.guestSwitched(next);
    return answer;
  }

  differsFrom(policy: NamedPolicy): boolean {
    return this.#control.differsFrom(policy);
  }

  prepare(policy: NamedPolicy, allowed?: boolean): () => void {
    return this.#control.prepare(policy, allowed);
  }

  get line(): LineState {
    return this.#handler.state;
  }

  prepareLine(): void {
    this.#owners.add(this.#owner);
    this.#handler.prepare();
  }

  follow(): void {
    this.#handler.follow();
  }

  releaseLine(): void {
    this.#owners.delete(this.#owner);
    this.#handler.reset();
  }

  toggleLine(): void {
    this.#handler.toggle();
  }
}

/**
 * @param owners of all devices of the host; missing: this one has its line for itself among guests
 * @throws PcibackError `POLICY_FAILED`, `PLUGIN_FAULT`, `CHOICE_UNKNOWN`
 */
export const deviceInterrupts = (terms: InterruptDriverTerms, owners = new LineOwners()): DeviceInterrupts =>
  new OneDevice(terms, owners);
