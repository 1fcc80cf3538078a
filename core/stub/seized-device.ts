// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../bdf.ts';
import { fail } from '../errors/index.ts';
import type { DeviceFacts } from '../facts.ts';
import type { DeviceRecord } from '../journal.ts';
import type { Clock, PciFunction, PciIdentity, ResetOutcome } from '../platform/index.ts';
import { SerialQueue } from '../serial-queue.ts';
import type { Placeable } from '../slots.ts';
import { isSilent } from '../space/capabilities.ts';
import type { Assignment } from './assignment.ts';
import { HostOperations } from './host-operations.ts';
import { SavedConfig } from './saved-config.ts';

/** What of a function is recorded when it is seized. */
export type SavedDevice = Pick<DeviceRecord, 'pristine' | 'lists'>;

/** A function that pciback holds, from seizing to release. */
export class SeizedDevice implements Placeable, DeviceFacts {
  readonly bdf: Bdf;
  readonly identity: PciIdentity;
  readonly bridges: readonly Bdf[];
  readonly operations: HostOperations;
  /** As it was before its guest got it, or before it was seized. */
  pristine: SavedConfig;
  /** The device lock: life-cycle steps of this device run one after the other. */
  readonly lock = new SerialQueue();
  /** The guest that has it. Exclusive: see `Stub.assign`. */
  assignment: Assignment | undefined;
  /** Why no guest gets it any more. */
  quarantine: string | undefined;
  /** Where the host had it when it was saved. */
  #addresses: string;

  /** @param saved what an earlier process recorded of it; missing: it is recorded now */
  constructor(hardware: PciFunction, bridges: readonly Bdf[], clock: Clock, saved?: SavedDevice) {
    this.bdf = hardware.identity.bdf;
    this.identity = hardware.identity;
    this.bridges = bridges;
    this.pristine = saved === undefined ? SavedConfig.of(hardware) : new SavedConfig(saved.pristine);
    this.operations = new HostOperations(hardware, clock, saved?.lists);
    this.#addresses = addressesOf(hardware);
  }

  /** Brings it to D0 and saves what it has now. @throws HostError; PcibackError `DEVICE_SILENT` */
  async save(): Promise<void> {
    const { hardware } = this.operations;
    await this.#wake();
    this.pristine = SavedConfig.of(hardware);
    this.#addresses = addressesOf(hardware);
  }

  /**
   * Before a guest gets it: saves it anew if the host has moved its addresses; else puts back what was lost while nobody had it,
   * in a reset of its link, say. Throws as {@link save}.
   */
  async refresh(): Promise<void> {
    const { hardware } = this.operations;
    if (addressesOf(hardware) !== this.#addresses) return this.save();
    await this.#wake();
    this.pristine.restore(hardware);
    this.operations.turnOff();
  }

  async #wake(): Promise<void> {
    await this.operations.wake();
    if (isSilent(this.operations.hardware)) fail('DEVICE_SILENT', { bdf: formatBdf(this.bdf) });
  }
}

const addressesOf = ({ resources }: PciFunction): string => resources.map(({ start }) => start).join();

/** For the log. */
export const describeReset = (outcome: ResetOutcome): string =>
  outcome.ok ? outcome.method : `${outcome.reason}: ${outcome.detail}`;
