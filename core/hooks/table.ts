// SPDX-License-Identifier: MIT

import type { DeviceFacts, FenceReason, GuestFacts } from '../facts.ts';
import type { InterruptLimits } from '../interrupts.ts';
import type { PciFunction, ResetOutcome } from '../platform/pci.ts';
import type { SlotMapper } from '../slots.ts';
import type { Denial } from '../space/denials.ts';
import type { AccessRecorder } from '../space/recorder.ts';
import type { Shape } from '../wall/wall.ts';
import { limitsShape, orNothing, refusalShape, resetShape, unhandledShape } from './shapes.ts';

/** What becomes of writes without a field: the word, or the word (missing: as configured) and who takes accesses down. */
export type UnhandledAnswer =
  | 'drop'
  | 'permissive'
  | { readonly unhandled?: 'drop' | 'permissive'; readonly recorder: AccessRecorder };

/** The arguments of every hook. */
export interface HookArguments {
  /** After a function was seized, reset and saved. */
  deviceSeized: [device: DeviceFacts];
  /** After a device was given to a guest, before its address is published. */
  deviceAssigned: [device: DeviceFacts, guest: GuestFacts];
  /** A device came back: reset, restored, free for the next guest. */
  deviceReturned: [device: DeviceFacts, guest: GuestFacts];
  /** A function goes back to the host. */
  deviceReleased: [device: DeviceFacts];
  /** A function has to be reset. */
  resetDevice: [device: DeviceFacts, hardware: PciFunction];
  /** What becomes of a guest’s writes to bits without a field, and who takes its accesses down. */
  unhandledWrite: [device: DeviceFacts, guest: GuestFacts];
  /** What is special about the line interrupt of a device. */
  interruptLimits: [device: DeviceFacts];
  /** A guest asks for MSI or MSI-X through the ring. */
  interruptControl: [
    request: { readonly kind: 'msi' | 'msix'; readonly device: DeviceFacts; readonly guest: GuestFacts },
  ];
  /** A refused write was seen for the first time. */
  deniedWrite: [denial: Denial];
  /** A device was cut off from its guest. */
  deviceFenced: [device: DeviceFacts, guest: GuestFacts, reason: FenceReason];
  /** The ring is mapped, requests are answered. */
  guestConnected: [guest: GuestFacts];
  /** A guest of an earlier process goes on. */
  guestResumed: [guest: GuestFacts, devices: readonly DeviceFacts[]];
  /** The channel is closed and the page unmapped. */
  guestDisconnected: [guest: GuestFacts];
}

/** What a tap returns; the first answer that is not `undefined` counts. */
export interface HookResults {
  deviceSeized: undefined;
  deviceAssigned: undefined;
  deviceReturned: undefined;
  deviceReleased: undefined;
  resetDevice: ResetOutcome | undefined;
  unhandledWrite: UnhandledAnswer | undefined;
  interruptLimits: InterruptLimits | undefined;
  interruptControl: { readonly refused: string } | undefined;
  deniedWrite: undefined;
  deviceFenced: undefined;
  guestConnected: undefined;
  guestResumed: undefined;
  guestDisconnected: undefined;
}

export type HookName = keyof HookArguments;

/**
 * `series`: one after the other, awaited. `bail`: until one answers. `observe`: all are told; what they answer does not
 * matter, and a failing one is reported and stops nobody.
 */
export type HookKind = 'asyncSeries' | 'asyncBail' | 'syncBail' | 'observe';

export interface HookDescription {
  readonly kind: HookKind;
  readonly arguments: readonly string[];
  /** When it is called, and what a tap can rely on. Its first sentence stands in the types too. */
  readonly doc: string;
  /** Which hooks may be called next for the same device or guest. */
  readonly next: readonly HookName[];
  /** What a tap may answer; missing: answers do not matter. */
  readonly answer?: Shape;
  /** Seconds that code may take, under the name that the rc file has for it. */
  readonly deadlines?: Readonly<Record<string, number>>;
}

/** A kind of things that plugins bring, each of which has a name. */
export interface KindDescription {
  /** One of them, for messages: `slot mapper`. */
  readonly one: string;
  /** What they are for, when their code is called, and what their order means. */
  readonly doc: string;
  readonly deadlines?: Readonly<Record<string, number>>;
  /** They bring their names with them, so that several can be added at once. */
  readonly isNamed?: true;
  /** What becomes of a thing that is added; plugins may be plain JavaScript. @throws Error what is wrong with it: `has no …` */
  accept?(thing: never): unknown;
}

/** Every hook, declared once: types, checks and the reference page come from here. */
const hooks = {
  deviceSeized: {
    kind: 'asyncSeries',
    arguments: ['device'],
    doc: 'After a function was seized, reset and saved. A fault makes the seizing fail; the function is given back.',
    next: ['unhandledWrite', 'deviceReleased'],
    deadlines: { deviceSeized: 30 },
  },
  unhandledWrite: {
    kind: 'syncBail',
    arguments: ['device', 'guest'],
    doc: 'What becomes of a guest’s writes to bits without a field, and who takes its accesses down. Asked when a device is given to a guest and its table is compiled, and again when plugins come or go under a running guest. No answer: as `permissive` in the rc file says, or was switched on at run time, else drop. The answer counts for this guest only. A fault keeps the device from the guest; under a running guest the rules stay as they were.',
    next: ['interruptLimits'],
    answer: orNothing(unhandledShape),
  },
  interruptLimits: {
    kind: 'syncBail',
    arguments: ['device'],
    doc: 'What is special about the line interrupt of a device. Asked when it is given to a guest: `disableStopsMessages` and `maskingBroken`. No answer: as the device’s quirks say. A fault keeps the device from the guest.',
    next: ['deviceAssigned'],
    answer: orNothing(limitsShape),
  },
  deviceAssigned: {
    kind: 'asyncSeries',
    arguments: ['device', 'guest'],
    doc: 'After a device was given to a guest, before its address is published. A fault takes the device back.',
    next: ['guestConnected'],
    deadlines: { deviceAssigned: 30 },
  },
  guestConnected: {
    kind: 'observe',
    arguments: ['guest'],
    doc: 'The ring is mapped, requests are answered.',
    next: ['interruptControl', 'deniedWrite', 'resetDevice', 'deviceFenced', 'guestResumed', 'guestDisconnected'],
  },
  guestResumed: {
    kind: 'observe',
    arguments: ['guest', 'devices'],
    doc: 'A guest of an earlier process goes on. Neither it nor its devices have noticed anything: `deviceSeized`, `deviceAssigned` and `guestConnected` are not called for them again, the end of each is. Nothing of a device is to be changed here: its driver runs. Without a device it is only answered until it has closed its end.',
    next: ['interruptControl', 'deniedWrite', 'resetDevice', 'deviceFenced', 'guestDisconnected'],
  },
  interruptControl: {
    kind: 'syncBail',
    arguments: ['request'],
    doc: 'A guest asks for MSI or MSI-X through the ring. A refusal is answered to the guest; no answer leaves it to the chosen policy. A fault refuses the request.',
    next: ['guestDisconnected'],
    answer: orNothing(refusalShape),
  },
  deniedWrite: {
    kind: 'observe',
    arguments: ['denial'],
    doc: 'A refused write was seen for the first time. Called outside of the request, so it delays no answer.',
    next: ['guestDisconnected'],
  },
  deviceFenced: {
    kind: 'observe',
    arguments: ['device', 'guest', 'reason'],
    doc: 'A device was cut off from its guest. A PCI Express error was not survived: no bus master, no interrupts, every request fails. The device stays with the guest until it is taken back.',
    next: ['guestDisconnected'],
  },
  guestDisconnected: {
    kind: 'observe',
    arguments: ['guest'],
    doc: 'The channel is closed and the page unmapped.',
    next: ['guestConnected', 'resetDevice'],
  },
  resetDevice: {
    kind: 'asyncBail',
    arguments: ['device', 'hardware'],
    doc: 'A function has to be reset. That is so at seizing, when a guest asks for a function-level reset, in the recovery of an error, when a device comes back from a guest, and before it is released to the host. A tap that resets it answers with the outcome; it has config space (`hardware`), and the host’s own methods, of which it can have some left out: `hardware.reset(["pm"])`. No answer: the host’s own methods, all of them, which have the deadline `reset`, and whose failing counts as a fault does. A fault at seizing or at release makes that fail; when a device comes back it is quarantined; a guest that asked gets `op_failed`.',
    next: ['deviceSeized', 'interruptControl', 'deviceReturned'],
    answer: orNothing(resetShape),
    deadlines: { resetDevice: 70, reset: 70 },
  },
  deviceReturned: {
    kind: 'asyncSeries',
    arguments: ['device', 'guest'],
    doc: 'A device came back: reset, restored, free for the next guest. A fault quarantines it.',
    next: ['unhandledWrite', 'deviceReleased'],
    deadlines: { deviceReturned: 30 },
  },
  deviceReleased: {
    kind: 'asyncSeries',
    arguments: ['device'],
    doc: 'A function goes back to the host. Called before its last reset. A fault makes the release fail; the function stays seized.',
    next: ['resetDevice'],
    deadlines: { deviceReleased: 30 },
  },
} as const satisfies Readonly<Record<HookName, HookDescription>>;

export const hookTable: Readonly<Record<HookName, HookDescription>> = hooks;
export const hookNames = Object.keys(hooks) as readonly HookName[];

/** The kinds that the core asks for. Whoever composes it has others beside them. */
const kinds = {
  fields: {
    one: 'field set',
    isNamed: true,
    doc: 'Registers of every device: which bits guests may write, what reads show. The `later` deadline is for a behaviour that answered "later" and whose device is not busy: the request ends with `op_failed` then.',
    deadlines: { later: 10 },
  },
  surgery: {
    one: 'surgery',
    doc: 'Changes of the shape of every device’s config space, applied in order, before those of quirks.',
  },
  quirks: {
    one: 'quirk',
    isNamed: true,
    doc: 'Registers and surgery of the devices that a quirk matches. Where a field set has a bit too, the field set keeps it.',
  },
  slots: {
    one: 'slot mapper',
    doc: 'Which virtual address each device of a guest has. Chosen with `slots`. `create` is called once for each guest; a map without one of its five methods is refused, and with it the guest. A fault in `add` or `roots` refuses the device; in `lookup` the request is answered `op_failed`; `remove` and `find` cannot keep a device with a guest.',
    accept: (mapper: SlotMapper) => {
      if (typeof mapper?.create !== 'function') throw new Error('has no function create');
      return mapper;
    },
  },
  interrupts: {
    one: 'interrupt policy',
    doc: 'Who may switch MSI, MSI-X and INTx. Chosen with `interrupts`. A policy, or a factory that is called once for each device in the hands of each guest. A fault of a factory keeps the device from the guest; a fault of a policy refuses what was asked.',
  },
  interruptDrivers: {
    one: 'interrupt driver',
    doc: 'Carries out what guests ask of a device’s interrupts: requests 2 to 5 of the protocol, changes by config writes, the handler on its line. It is the one who asks the policy. The first is used, and called once for each device in the hands of each guest; without one no guest has interrupts. A fault in making keeps the device from the guest, a fault of a request answers `op_failed`, one in `teardown` or `releaseLine` quarantines the device, which is made clean all the same.',
  },
} as const satisfies Readonly<Record<string, KindDescription>>;

export type KindTable = Readonly<Record<string, KindDescription>>;
export const coreKinds: KindTable = kinds;

type NamesIn<Entry> = Entry extends { readonly deadlines: infer Deadlines } ? keyof Deadlines : never;
/** What has a deadline, by its name in the rc file. `apply`: a plugin that is loaded. */
export type DeadlineName = NamesIn<(typeof hooks)[HookName]> | NamesIn<(typeof kinds)[keyof typeof kinds]> | 'apply';
export type Deadlines = Readonly<Record<DeadlineName, number>>;

/** Every deadline in seconds, as it is where nobody says otherwise. */
export const defaultDeadlines = Object.assign(
  { apply: 30 },
  ...[...Object.values(hookTable), ...Object.values(coreKinds)].map(({ deadlines = {} }) => deadlines),
) as Deadlines;
