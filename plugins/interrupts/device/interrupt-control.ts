// SPDX-License-Identifier: MIT

import {
  fail,
  type InterruptLimits,
  type InterruptPolicy,
  type InterruptPolicySource,
  type InterruptType,
  type IntxAnswer,
  type IntxState,
  isPcibackError,
  type MessageKind,
  type NamedPolicy,
  type Place,
  type PolicyFacts,
  type Shape,
  type Wall,
} from '../../../core/plugin/index.ts';
import { Msi, Msix } from './registers.ts';

/** What a device's interrupts are decided from, for as long as one guest has it. */
export interface InterruptControlTerms extends Omit<PolicyFacts, 'policy'> {
  readonly limits: InterruptLimits;
  /** Policies that another one puts itself around. @throws PcibackError `CHOICE_UNKNOWN` */
  readonly find: (name: string) => NamedPolicy;
  readonly wall: Wall;
}

const enableBit: Readonly<Record<MessageKind, number>> = { msi: Msi.enable, msix: Msix.enable };

const usesMessages = (type: InterruptType): boolean => type !== 'none' && type !== 'intx';

/** One policy with those it asked for. */
interface MadePolicy {
  readonly policy: InterruptPolicy;
  /** Whether it refuses changes of control words to whoever has no permission. */
  readonly refusesUnlessAllowed: boolean;
  /** Whether INTX_DISABLE is the guest's own, whatever it writes. */
  readonly keepsIntxVirtual: boolean;
  /** It and every policy in it, by name. */
  readonly sources: ReadonlyMap<string, InterruptPolicySource>;
}

/**
 * Puts questions about one device's interrupts to the chosen policy, and keeps to what no policy may change: MSI and
 * MSI-X are never on together (XSA-157), and a line interrupt has the limits of its device.
 */
export class InterruptControl {
  readonly #terms: InterruptControlTerms;
  #made: MadePolicy;
  #allowed: boolean;

  /** @throws PcibackError `POLICY_FAILED`, `PLUGIN_FAULT`, `CHOICE_UNKNOWN` */
  constructor(terms: InterruptControlTerms, chosen: NamedPolicy) {
    this.#terms = terms;
    this.#allowed = terms.allowed;
    this.#made = this.#make(chosen, terms.allowed);
  }

  /**
   * Whether this choice, or a policy inside of it, is another one than that in force.
   *
   * @throws PcibackError `CHOICE_UNKNOWN` when a policy in force is there no more
   */
  differsFrom({ name, thing }: NamedPolicy): boolean {
    const { sources } = this.#made;
    if (sources.get(name) !== thing) return true;
    return [...sources].some(([one, before]) => one !== name && this.#terms.find(one).thing !== before);
  }

  /**
   * Makes the policy that takes the place of the one in force. State of the old one ends.
   *
   * @param allowed from then on; missing: as before
   * @returns puts it in force, without failing
   * @throws PcibackError `POLICY_FAILED`, `PLUGIN_FAULT`, `CHOICE_UNKNOWN`
   */
  prepare(chosen: NamedPolicy, allowed = this.#allowed): () => void {
    const made = this.#make(chosen, allowed);
    return () => {
      this.#made = made;
      this.#allowed = allowed;
    };
  }

  #make(chosen: NamedPolicy, allowed: boolean): MadePolicy {
    const { device, guest, clock, find, wall } = this.#terms;
    const sources = new Map<string, InterruptPolicySource>();
    const make = ({ name, plugin, thing }: NamedPolicy, around: readonly string[]): InterruptPolicy => {
      if (around.includes(name)) fail('POLICY_FAILED', { policy: name, why: `it is inside of ${around.join(', ')}` });
      sources.set(name, thing);
      const place = (what: string): Place => ({
        plugin,
        what: `${what} interrupt policy ${name}`,
        device: device.bdf,
        guest: guest.domain,
        refusals: ['POLICY_FAILED', 'CHOICE_UNKNOWN'],
      });
      const policy = (inner: string): InterruptPolicy => make(find(inner), [...around, name]);
      const of = (): InterruptPolicy =>
        typeof thing === 'function' ? thing({ device, guest, clock, allowed, policy }) : thing;
      return walled(wall, wall.run(place('making'), of, policyShape), place);
    };
    const policy = make(chosen, []);
    return {
      policy,
      refusesUnlessAllowed: policy.controlWordsUnlessAllowed === 'refused',
      keepsIntxVirtual: this.#knowsVirtual(policy, allowed),
      sources,
    };
  }

  /** Whether INTX_DISABLE would always be answered `virtual`: the policy says so, or says nothing and the rule does. */
  #knowsVirtual({ decidesIntx, intxUnlessAllowed }: InterruptPolicy, allowed: boolean): boolean {
    const { limits } = this.#terms;
    if (decidesIntx === undefined) return !allowed || limits.maskingBroken === true;
    return !allowed && intxUnlessAllowed === 'virtual';
  }

  #ask<Answer>(refusal: Answer, question: (policy: InterruptPolicy) => Answer): Answer {
    try {
      return question(this.#made.policy);
    } catch (error) {
      // The wall has counted and reported it.
      if (isPcibackError(error, 'PLUGIN_FAULT')) return refusal;
      throw error;
    }
  }

  /** Whether no control word may change, whatever the device is in; it is so as long as the policy is in force. */
  get refusesControlWords(): boolean {
    return !this.#allowed && this.#made.refusesUnlessAllowed;
  }

  allowsControlWord(kind: MessageKind, current: InterruptType, old: number, next: number): boolean {
    // Not the policy's own answer, which might be another one: a thread that cannot ask it says the same.
    if (this.refusesControlWords) return false;
    if ((next & enableBit[kind]) !== 0 && usesMessages(current) && current !== kind) return false;
    const allowed = this.#allowed;
    return this.#ask(false, (policy) => policy.allowsControlWord({ kind, current, old, next, allowed }));
  }

  /** Whether INTX_DISABLE is the guest's own, whatever the device is in; it is so as long as the policy is in force. */
  get keepsIntxVirtual(): boolean {
    return this.#made.keepsIntxVirtual;
  }

  decidesIntx(current: InterruptType, old: IntxState, next: IntxState): IntxAnswer {
    // As with control words: nobody asks.
    if (this.keepsIntxVirtual) return 'virtual';
    const { limits } = this.#terms;
    const allowed = this.#allowed;
    const answer = this.#ask<IntxAnswer>('refused', (policy) =>
      policy.decidesIntx === undefined
        ? allowed
          ? 'hardware'
          : 'virtual'
        : policy.decidesIntx({ current, old, next, allowed }),
    );
    if (answer !== 'hardware' || limits.maskingBroken === true) return answer === 'refused' ? 'refused' : 'virtual';
    return limits.disableStopsMessages === true && next === 'disabled' && usesMessages(current) ? 'virtual' : answer;
  }

  /** Why a request through the ring is refused; `undefined`: it is not. */
  refusesRequest(kind: MessageKind, current: InterruptType, vectors: number): string | undefined {
    if (usesMessages(current) && current !== kind) return 'the other kind is on in hardware';
    const allowed = this.#allowed;
    return this.#ask<string | undefined>('the interrupt policy failed', (policy) =>
      policy.refusesRequest?.({ kind, current, vectors, allowed }),
    );
  }
}

const policyShape: Shape = {
  expected: 'a policy, with allowsControlWord',
  fits: (answer) => typeof (answer as InterruptPolicy | null | undefined)?.allowsControlWord === 'function',
};
const booleanShape: Shape = { expected: 'true or false', fits: (answer) => typeof answer === 'boolean' };
const intxShape: Shape = {
  expected: '"hardware", "virtual" or "refused"',
  fits: (answer) => answer === 'hardware' || answer === 'virtual' || answer === 'refused',
};
const reasonShape: Shape = {
  expected: 'why it refuses, or nothing',
  fits: (answer) => answer === undefined || typeof answer === 'string',
};

/** The policy with the wall around each of its methods; those that it has not stay missing. */
const walled = (wall: Wall, policy: InterruptPolicy, place: (what: string) => Place): InterruptPolicy => {
  const { about, controlWordsUnlessAllowed, intxUnlessAllowed } = policy;
  const asked = {
    controlWord: place('allowsControlWord of'),
    intx: place('decidesIntx of'),
    request: place('refusesRequest of'),
  };
  return {
    ...(about === undefined ? {} : { about }),
    ...(controlWordsUnlessAllowed === undefined ? {} : { controlWordsUnlessAllowed }),
    ...(intxUnlessAllowed === undefined ? {} : { intxUnlessAllowed }),
    allowsControlWord: (question) =>
      wall.run(asked.controlWord, () => policy.allowsControlWord(question), booleanShape),
    ...(policy.decidesIntx === undefined
      ? {}
      : {
          decidesIntx: (question) => wall.run(asked.intx, () => policy.decidesIntx?.(question) ?? 'refused', intxShape),
        }),
    ...(policy.refusesRequest === undefined
      ? {}
      : {
          refusesRequest: (question) => wall.run(asked.request, () => policy.refusesRequest?.(question), reasonShape),
        }),
  };
};
