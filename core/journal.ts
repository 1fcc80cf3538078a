// SPDX-License-Identifier: MIT

import type { FenceReason } from './facts.ts';
import type { InterruptNotes } from './interrupts.ts';
import type { KeptMemory } from './platform/memory.ts';
import type { CapabilityLists } from './space/capabilities.ts';
import type { SavedTable } from './space/compile.ts';

/** A register with the value that it is to have again. */
export interface SavedRegister {
  readonly offset: number;
  readonly size: 2 | 4;
  /** Bits that are put back and compared; `value` has no others. */
  readonly mask: number;
  /** Bits that stay as they are; all others are written as zero. */
  readonly kept: number;
  readonly value: number;
}

/** What is known of a function that is seized. */
export interface DeviceRecord {
  readonly pristine: readonly SavedRegister[];
  readonly lists: CapabilityLists;
  /** The hypervisor knows of its MSI-X table. */
  readonly prepared?: true | undefined;
  /** It is being made clean, for the next guest or for the host. */
  readonly cleaning?: true | undefined;
  readonly quarantine?: string | undefined;
  /** Domain that has it. */
  readonly guest?: number | undefined;
  readonly fenced?: FenceReason | undefined;
  readonly table?: SavedTable | undefined;
  readonly interrupts?: InterruptNotes | undefined;
  /** What its registers get back after the reset that is under way. */
  readonly before?: readonly SavedRegister[] | undefined;
}

/** A device that no guest has. */
export const withoutGuest: Partial<DeviceRecord> = {
  cleaning: undefined,
  guest: undefined,
  fenced: undefined,
  table: undefined,
  interrupts: undefined,
  before: undefined,
};

/** What a front end publishes. */
export interface FrontendKeys {
  readonly grantReference: number;
  readonly eventChannel: number;
}

/** What is known of a guest. */
export interface GuestRecord {
  readonly domain: number;
  readonly name: string;
  readonly frontend: string;
  /** Where its request at work is noted, see `Dispatcher`. */
  readonly work: number;
  /** The page and the channel that it is served through. */
  readonly keys?: FrontendKeys | undefined;
}

/** Records by their name. A change is kept when the call returns: what is noted before an act survives it. */
export interface Records<Of> extends Iterable<[string, Of]> {
  get(name: string): Of | undefined;
  /** Changes members, or makes the record. `undefined`: the member is there no more. */
  merge(name: string, change: Partial<Of>): void;
  delete(name: string): void;
}

/** What outlives this process. Nothing of it is on the way of a request that the table answers, but its memory. */
export interface Journal {
  /** By address, as `formatBdf` writes it. */
  readonly devices: Records<DeviceRecord>;
  /** By the back end's directory. */
  readonly guests: Records<GuestRecord>;
  allocate(bytes: number): KeptMemory;
  /** Memory that an earlier process allocated; `undefined`: it is not there. */
  find(at: number, bytes: number): KeptMemory | undefined;
  free(memory: KeptMemory): void;
}

/** Records that end with the process. */
export class PlainRecords<Of> extends Map<string, Of> implements Records<Of> {
  merge(name: string, change: Partial<Of>): void {
    this.set(name, { ...this.get(name), ...change } as Of);
  }
}

/** Keeps nothing beyond the process. */
export const forgetful = (): Journal => ({
  devices: new PlainRecords(),
  guests: new PlainRecords(),
  allocate: (bytes) => ({ memory: new SharedArrayBuffer(bytes), at: -1 }),
  find: () => undefined,
  free: () => {},
});
