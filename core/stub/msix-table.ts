// SPDX-License-Identifier: MIT

import type { DeviceRecord } from '../journal.ts';
import { Errno, HostError, type InterruptMapper } from '../platform/index.ts';
import type { SeizedDevice } from './seized-device.ts';

/** Takes a change of a device's record down. */
type Note = (device: SeizedDevice, change: Partial<DeviceRecord>) => void;

/** Tells the hypervisor where the MSI-X table of a device is, and notes that it knows. */
export class MsixTables {
  readonly #interrupts: InterruptMapper;
  readonly #note: Note;

  constructor(interrupts: InterruptMapper, note: Note) {
    this.#interrupts = interrupts;
    this.#note = note;
  }

  /** While the host still owns it, and only with the capability: without one this call can take a host down. */
  prepare(device: SeizedDevice): void {
    try {
      if (device.operations.msix !== undefined) this.#interrupts.prepareMsix(device.operations.hardware);
    } catch (error) {
      // A process that died told it, and could not note that.
      if (!(error instanceof HostError) || error.errno !== Errno.EBUSY) throw error;
    }
    this.#note(device, { prepared: true });
  }

  release(device: SeizedDevice): void {
    // Noted first: to tell the hypervisor again what it knows is harmless, to believe that it knows is not.
    this.#note(device, { prepared: undefined });
    if (device.operations.msix !== undefined) this.#interrupts.releaseMsix(device.operations.hardware);
  }
}
