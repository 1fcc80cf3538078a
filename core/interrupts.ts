// SPDX-License-Identifier: MIT

import type { DeviceFacts, GuestFacts } from './facts.ts';
import type { Clock } from './platform/memory.ts';
import type { Request } from './ring/request.ts';

/** Interrupts that are messages: each has a control word in a capability of its own. */
export type MessageKind = 'msi' | 'msix';

/** Which interrupt a function uses now, by its registers. `several`: MSI and MSI-X both on, which nothing allows. */
export type InterruptType = 'none' | 'intx' | MessageKind | 'several';

/** A guest's wish to change a MSI or MSI-X control word through config space. */
export interface ControlWordQuestion {
  /** Whose control word it is. */
  readonly kind: MessageKind;
  /** Read from hardware for each question; `several` also when the device does not answer. */
  readonly current: InterruptType;
  /** The word as hardware has it, 16 bits. */
  readonly old: number;
  /** The word as the guest would have it. */
  readonly next: number;
  /** `allowInterruptControl` of the rc file, for this device and guest. */
  readonly allowed: boolean;
}

/** INTX_DISABLE of the command register: clear is `enabled`. */
export type IntxState = 'enabled' | 'disabled';

/** A guest's wish to change INTX_DISABLE through config space. */
export interface IntxQuestion {
  /** Read from hardware for each question. */
  readonly current: InterruptType;
  /** As the guest wrote it last. */
  readonly old: IntxState;
  /** As it would have it now; never the same. */
  readonly next: IntxState;
  /** `allowInterruptControl` of the rc file, for this device and guest. */
  readonly allowed: boolean;
}

/** `hardware`: the bit is written. `virtual`: the guest reads what it wrote, hardware keeps its bit. */
export type IntxAnswer = 'hardware' | 'virtual' | 'refused';

/** A guest asks for MSI or MSI-X through the ring. */
export interface RequestQuestion {
  /** What it asks for. */
  readonly kind: MessageKind;
  /** Read from hardware for each question. */
  readonly current: InterruptType;
  /** 1 for MSI; for MSI-X as the guest says, not yet checked against the device's table. */
  readonly vectors: number;
  /** `allowInterruptControl` of the rc file, for this device and guest. */
  readonly allowed: boolean;
}

/**
 * Who may switch interrupts: decisions only, no effects. Chosen by name in the rc file.
 *
 * Whatever a policy answers, MSI and MSI-X are never on together, and switching off through the ring always works. One
 * that throws is taken as a refusal and reported.
 */
export interface InterruptPolicy {
  /** What it is for, one sentence, for the reference page. */
  readonly about?: string;
  /** Whether a config write may change the control word from `old` to `next`, which differ. */
  allowsControlWord(question: ControlWordQuestion): boolean;
  /**
   * What becomes of such a write without `allowed`. `refused`: whatever it is; `allowsControlWord` is not asked then, so the
   * guest has its answer sooner. Looked at once, when the policy is chosen or made. Missing: `asked`.
   */
  readonly controlWordsUnlessAllowed?: 'refused' | 'asked';
  /** What becomes of a config write that changes INTX_DISABLE. Missing: hardware if `allowed`, else virtual. */
  decidesIntx?(question: IntxQuestion): IntxAnswer;
  /**
   * What becomes of such a write without `allowed`. `virtual`: the bit is the guest's own, whatever it writes; `decidesIntx` is
   * not asked then, so the guest has its answer sooner. Looked at once, as `controlWordsUnlessAllowed`, and of no account
   * without `decidesIntx`. Missing: `asked`.
   */
  readonly intxUnlessAllowed?: 'virtual' | 'asked';
  /** Why the guest may not switch this kind on through the ring; `undefined`: it may. */
  refusesRequest?(question: RequestQuestion): string | undefined;
}

/** What a policy with a state of its own is made from, once for each device in the hands of each guest. */
export interface PolicyFacts {
  /** The device it decides about. */
  readonly device: DeviceFacts;
  /** The guest that has the device. */
  readonly guest: GuestFacts;
  /** Time for policies that count; the only one they may use, so that tests and replays can set it. */
  readonly clock: Pick<Clock, 'now'>;
  /** `allowInterruptControl` of the rc file, for this device and guest. */
  readonly allowed: boolean;
  /**
   * Another policy for the same device and guest, to put something around it.
   *
   * @throws PcibackError `CHOICE_UNKNOWN`; `POLICY_FAILED` when the policies wrap each other in a circle
   */
  policy(name: string): InterruptPolicy;
}

/** Makes a policy for one assignment; a throw keeps the device from the guest. */
export type InterruptPolicyFactory = (facts: PolicyFacts) => InterruptPolicy;

/** A policy without state, the same for all, or the factory of one with state. */
export type InterruptPolicySource = InterruptPolicy | InterruptPolicyFactory;

/** What is special about the line interrupt of a device: said by a quirk, or by a tap of the hook `interruptLimits`. */
export interface InterruptLimits {
  /** Setting INTX_DISABLE stops MSI and MSI-X too: it stays clear while one of them is on. */
  readonly disableStopsMessages?: boolean;
  /** INTX_DISABLE does not mask the line: guests have the bit to themselves, hardware keeps its own. */
  readonly maskingBroken?: boolean;
}

/** What becomes of the line interrupt of a device when the host's drivers use its line and it cannot be claimed. */
export type SharedLines = 'refuse' | 'allow';

/** A policy under the name that the rc file chose it by, and the plugin that brought it. */
export interface NamedPolicy {
  readonly name: string;
  readonly plugin: string;
  readonly thing: InterruptPolicySource;
}

/** The host's handler on the line of a device, as an operator sees it. */
export interface LineState {
  /** As the host lists the handler. */
  readonly name: string;
  /** Line of the device, 0 if it has none. */
  readonly irq: number;
  /** Whether the handler is installed. */
  readonly on: boolean;
  /** Whether it claims the interrupts it is called for. */
  readonly acknowledging: boolean;
  /** Interrupts it has claimed. */
  readonly handled: number;
  /** Why the guest gets no line interrupt of the device; missing: it does, when it asks. */
  readonly refused?: string;
}

/** What is noted of a device's interrupts, in plain JSON values; their driver adds what it needs. */
export interface InterruptNotes {
  /** PIRQs that are mapped for the guest. */
  readonly pirqs: readonly number[];
  /** One is being mapped and may be there, though its number is not known yet: for MSI, or this entry of the MSI-X table. */
  readonly mapping?: 'msi' | number | undefined;
}

/** What outlives this process of a device's interrupts. */
export interface InterruptMemory {
  /** What an earlier process noted of this device in the hands of this guest; `undefined`: its guest has it anew. */
  readonly noted: InterruptNotes | undefined;
  /** An earlier process died while it carried out a request for the device: it comes again. */
  readonly interrupted: boolean;
  /** To be called before each step that the hypervisor or the device would remember. */
  note(notes: InterruptNotes): void;
}

/**
 * The interrupts of one device while a guest has it: requests 2 to 5 of the protocol, changes by config writes, and the
 * host's half of the line.
 *
 * A request answers in `request` (`value`, vectors) and returns `err`. What it throws is answered `op_failed`.
 */
export interface DeviceInterrupts {
  enableMsi(request: Request): number;
  disableMsi(request: Request): number;
  enableMsix(request: Request): number;
  disableMsix(request: Request): number;
  /** Switches on again in the device what a reset switched off; the PIRQs stay. @throws HostError */
  restore(): void;
  /** Switches everything off and unmaps every PIRQ, also when the guest is gone (XSA-360); returns how many were mapped. */
  teardown(): number;
  /** Whether every change of a control word is refused. Looked at when it is made and when a policy was prepared. */
  readonly refusesControlWords: boolean;
  /** Whether a config write may change the control word from `old` to `next`, which differ. */
  allowsControlWord(kind: MessageKind, old: number, next: number): boolean;
  /** Whether INTX_DISABLE is the guest's own, whatever it writes. Looked at as `refusesControlWords` is. */
  readonly keepsIntxVirtual: boolean;
  /** What becomes of a config write that changes INTX_DISABLE. */
  decidesIntx(old: IntxState, next: IntxState): IntxAnswer;
  /** Whether this choice is another one than that in force. @throws PcibackError `CHOICE_UNKNOWN` */
  differsFrom(policy: NamedPolicy): boolean;
  /**
   * Makes the policy that takes the place of the one in force; `allowed` as in {@link PolicyFacts}, missing: as before.
   *
   * @returns puts it in force, without failing
   * @throws PcibackError `POLICY_FAILED`, `PLUGIN_FAULT`, `CHOICE_UNKNOWN`
   */
  prepare(policy: NamedPolicy, allowed?: boolean): () => void;
  /** The handler on the line; `undefined`: there can be none. */
  readonly line: LineState | undefined;
  /** Before the guest has the device. @throws PcibackError `LINE_SHARED` when it has to be kept from its line and cannot be */
  prepareLine(): void;
  /** The guest has switched the device on or off by a config write. */
  follow(): void;
  /** The device was reset and leaves its guest: whatever is on its line goes. */
  releaseLine(): void;
  /** An operator takes the handler off the line, or puts one on it (D-S2). @throws PcibackError `LINE_HANDLER` */
  toggleLine(): void;
}
