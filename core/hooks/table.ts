// SPDX-License-Identifier: MIT

import type { DeviceFacts, FenceReason, GuestFacts } from '../facts.ts';
import type { InterruptLimits } from '../interrupts.ts';
import type { ResetOutcome } from '../platform/pci.ts';
import type { Denial } from '../space/denials.ts';
import type { AccessRecorder } from '../space/recorder.ts';

/** What becomes of writes without a field: the word, or the word (missing: as configured) and who takes accesses down. */
export type UnhandledAnswer =
  | 'drop'
  | 'permissive'
  | { readonly unhandled?: 'drop' | 'permissive'; readonly recorder: AccessRecorder };

/** The arguments of every hook. */
export interface HookArguments {
  deviceSeized: [device: DeviceFacts];
  deviceAssigned: [device: DeviceFacts, guest: GuestFacts];
  deviceReturned: [device: DeviceFacts, guest: GuestFacts];
  deviceReleased: [device: DeviceFacts];
  resetDevice: [device: DeviceFacts];
  unhandledWrite: [device: DeviceFacts, guest: GuestFacts];
  interruptLimits: [device: DeviceFacts];
  interruptControl: [
    request: { readonly kind: 'msi' | 'msix'; readonly device: DeviceFacts; readonly guest: GuestFacts },
  ];
  deniedWrite: [denial: Denial];
  deviceFenced: [device: DeviceFacts, guest: GuestFacts, reason: FenceReason];
  guestConnected: [guest: GuestFacts];
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
  guestDisconnected: undefined;
}

export type HookName = keyof HookArguments;

/**
 * `series`: one after the other, awaited. `bail`: until one answers. `observe`: all are told, a failing one is reported
 * and stops nobody.
 */
export type HookKind = 'asyncSeries' | 'asyncBail' | 'syncBail' | 'observe';

export interface HookDescription {
  readonly kind: HookKind;
  readonly arguments: readonly string[];
  /** When it is called, and what a tap can rely on. */
  readonly doc: string;
  readonly previous: HookName | undefined;
  readonly next: HookName | undefined;
}

/** Every hook, declared once: types, checks and the reference page come from here. */
export const hookTable: Readonly<Record<HookName, HookDescription>> = {
  deviceSeized: {
    kind: 'asyncSeries',
    arguments: ['device'],
    doc: 'After a function was seized, reset and saved. A throw makes the seizing fail; the function is given back.',
    previous: undefined,
    next: 'unhandledWrite',
  },
  unhandledWrite: {
    kind: 'syncBail',
    arguments: ['device', 'guest'],
    doc: 'When a device is given to a guest and its table is compiled, and again when plugins come or go under a running guest: what becomes of writes to bits without a field, and who takes the accesses down. No answer: as `permissive` in the rc file says, else drop. The answer counts for this guest only.',
    previous: 'deviceSeized',
    next: 'interruptLimits',
  },
  interruptLimits: {
    kind: 'syncBail',
    arguments: ['device'],
    doc: 'When a device is given to a guest: what is special about its line interrupt, `disableStopsMessages` and `maskingBroken`. No answer: as the device’s quirks say.',
    previous: 'unhandledWrite',
    next: 'deviceAssigned',
  },
  deviceAssigned: {
    kind: 'asyncSeries',
    arguments: ['device', 'guest'],
    doc: 'After a device was given to a guest, before its address is published. A throw takes the device back.',
    previous: 'interruptLimits',
    next: 'guestConnected',
  },
  guestConnected: {
    kind: 'observe',
    arguments: ['guest'],
    doc: 'The ring is mapped, requests are answered.',
    previous: 'deviceAssigned',
    next: 'interruptControl',
  },
  interruptControl: {
    kind: 'syncBail',
    arguments: ['request'],
    doc: 'A guest asks for MSI or MSI-X through the ring. A refusal is answered to the guest; no answer leaves it to the chosen policy.',
    previous: 'guestConnected',
    next: 'deniedWrite',
  },
  deniedWrite: {
    kind: 'observe',
    arguments: ['denial'],
    doc: 'A refused write was seen for the first time. Called outside of the request, so it delays no answer.',
    previous: 'interruptControl',
    next: 'deviceFenced',
  },
  deviceFenced: {
    kind: 'observe',
    arguments: ['device', 'guest', 'reason'],
    doc: 'A PCI Express error of the device was not survived, and the device was cut off from its guest: no bus master, no interrupts, every request fails. It stays with the guest until it is taken back.',
    previous: 'deniedWrite',
    next: 'guestDisconnected',
  },
  guestDisconnected: {
    kind: 'observe',
    arguments: ['guest'],
    doc: 'The channel is closed and the page unmapped.',
    previous: 'deviceFenced',
    next: 'resetDevice',
  },
  resetDevice: {
    kind: 'asyncBail',
    arguments: ['device'],
    doc: 'A function has to be reset, at seizing or when it comes back. A tap that resets it answers with the outcome; no answer: the host’s own methods.',
    previous: 'guestDisconnected',
    next: 'deviceReturned',
  },
  deviceReturned: {
    kind: 'asyncSeries',
    arguments: ['device', 'guest'],
    doc: 'A device came back: reset, restored, free for the next guest. A throw quarantines it.',
    previous: 'resetDevice',
    next: 'deviceReleased',
  },
  deviceReleased: {
    kind: 'asyncSeries',
    arguments: ['device'],
    doc: 'A function goes back to the host.',
    previous: 'deviceReturned',
    next: undefined,
  },
};

export const hookNames = Object.keys(hookTable) as HookName[];
