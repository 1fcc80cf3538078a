// SPDX-License-Identifier: MIT

import type { GuestLog } from '../budget.ts';
import { isPcibackError } from '../errors/index.ts';
import type { DeviceFacts, GuestFacts } from '../facts.ts';
import type { Owned } from '../hooks/index.ts';
import type {
  DeviceInterrupts,
  InterruptLimits,
  InterruptMemory,
  MessageKind,
  NamedPolicy,
  SharedLines,
} from '../interrupts.ts';
import type { Platform } from '../platform/index.ts';
import { Status } from '../ring/layout.ts';
import type { Request } from '../ring/request.ts';
import { booleanShape, integerShape, type Place, type Shape, type Wall, withMethods } from '../wall/wall.ts';
import type { HostOperations } from './host-operations.ts';
import { noInterrupts } from './no-interrupts.ts';

/** What the interrupts of one device for one guest are made from. */
export interface InterruptDriverTerms {
  readonly device: DeviceFacts;
  readonly guest: GuestFacts;
  readonly operations: HostOperations;
  readonly platform: Pick<Platform, 'interrupts' | 'lines' | 'clock'>;
  readonly sharedLines: SharedLines;
  /** `allowInterruptControl` of the rc file, for this device and guest. */
  readonly allowed: boolean;
  readonly limits: InterruptLimits;
  /** As the rc file chose it for this guest. */
  readonly policy: NamedPolicy;
  /** Policies by name. @throws PcibackError `CHOICE_UNKNOWN` */
  readonly find: (name: string) => NamedPolicy;
  /** Asks the hook `interruptControl` why the guest may not switch this kind on; `undefined`: nobody objects. */
  readonly objection: (kind: MessageKind) => string | undefined;
  /** What stands around the code of policies. */
  readonly wall: Wall;
  /** Missing: nothing outlives this process. */
  readonly memory?: InterruptMemory;
  /** A warning in `log`, with the device. */
  readonly warn: (facts: object, message: string) => void;
  /** The guest's. */
  readonly log: GuestLog;
}

/** Makes the interrupts of one device for one guest; a throw keeps the device from the guest. */
export type InterruptDriver = (terms: InterruptDriverTerms) => DeviceInterrupts;

const requests = ['enableMsi', 'disableMsi', 'enableMsix', 'disableMsix'] as const;
const methods = [
  ...requests,
  ...(['restore', 'teardown', 'allowsControlWord', 'decidesIntx', 'differsFrom', 'prepare'] as const),
  ...(['prepareLine', 'follow', 'releaseLine', 'toggleLine'] as const),
];

const madeShape = withMethods('an object', methods);
const functionShape: Shape = { expected: 'a function', fits: (answer) => typeof answer === 'function' };
const intxShape: Shape = {
  expected: '"hardware", "virtual" or "refused"',
  fits: (answer) => answer === 'hardware' || answer === 'virtual' || answer === 'refused',
};
const lineShape: Shape = {
  expected: 'the state of a line, or nothing',
  fits: (answer) => answer === undefined || (typeof answer === 'object' && answer !== null),
};

/**
 * Makes a device's interrupts, with the wall around them: a request that fails is answered `op_failed`, a question has
 * the answer that changes nothing in the device.
 *
 * @param driver `undefined`: no plugin brings one
 * @throws PcibackError `PLUGIN_FAULT`, `POLICY_FAILED`, `CHOICE_UNKNOWN`
 */
export const makeInterrupts = (
  driver: Owned<InterruptDriver> | undefined,
  terms: InterruptDriverTerms,
): DeviceInterrupts => {
  const { wall, device, guest, operations } = terms;
  if (driver === undefined) return noInterrupts(operations, terms.sharedLines);
  const place = (what: string): Place => ({
    plugin: driver.plugin,
    what: `${what} interrupt driver ${driver.name}`,
    device: device.bdf,
    guest: guest.domain,
    refusals: ['HOST', 'POLICY_FAILED', 'CHOICE_UNKNOWN', 'LINE_SHARED', 'LINE_HANDLER'],
  });
  const run = <Answer>(what: keyof DeviceInterrupts, work: () => Answer, shape?: Shape): Answer =>
    wall.run(place(`${what} of`), work, shape);
  const ask = <Answer>(what: keyof DeviceInterrupts, otherwise: Answer, work: () => Answer, shape: Shape): Answer => {
    try {
      return run(what, work, shape);
    } catch (error) {
      if (isPcibackError(error, 'PLUGIN_FAULT')) return otherwise;
      throw error;
    }
  };
  const made = wall.run(place('making'), () => driver.thing(terms), madeShape);
  const request = (name: (typeof requests)[number]) => (asked: Request) =>
    ask(name, Status.opFailed, () => made[name](asked), integerShape);
  const refuses = (): boolean => ask('refusesControlWords', true, () => made.refusesControlWords, booleanShape);
  const isVirtual = (): boolean => ask('keepsIntxVirtual', true, () => made.keepsIntxVirtual, booleanShape);
  // Asked for with each write: known without asking.
  let refusesControlWords = refuses();
  let keepsIntxVirtual = isVirtual();
  let enabled = false;
  return {
    enableMsi: request('enableMsi'),
    disableMsi: request('disableMsi'),
    enableMsix: request('enableMsix'),
    disableMsix: request('disableMsix'),
    restore: () => run('restore', () => made.restore()),
    teardown: () => run('teardown', () => made.teardown(), integerShape),
    get refusesControlWords() {
      return refusesControlWords;
    },
    allowsControlWord: (kind, old, next) =>
      ask('allowsControlWord', false, () => made.allowsControlWord(kind, old, next), booleanShape),
    get keepsIntxVirtual() {
      return keepsIntxVirtual;
    },
    decidesIntx: (old, next) => ask('decidesIntx', 'refused', () => made.decidesIntx(old, next), intxShape),
    differsFrom: (policy) => run('differsFrom', () => made.differsFrom(policy), booleanShape),
    prepare: (policy, allowed) => {
      const take = run('prepare', () => made.prepare(policy, allowed), functionShape);
      return () => {
        wall.tell(place('prepare of'), take);
        refusesControlWords = refuses();
        keepsIntxVirtual = isVirtual();
      };
    },
    get line() {
      return ask('line', undefined, () => made.line, lineShape);
    },
    prepareLine: () => run('prepareLine', () => made.prepareLine()),
    follow: () => {
      // After each write: most change nothing.
      if (operations.enabled === enabled) return;
      enabled = operations.enabled;
      wall.tell(place('follow of'), () => made.follow());
    },
    releaseLine: () => run('releaseLine', () => made.releaseLine()),
    toggleLine: () => run('toggleLine', () => made.toggleLine()),
  };
};
