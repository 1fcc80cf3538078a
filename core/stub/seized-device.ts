// SPDX-License-Identifier: MIT

import type { Bdf } from '../bdf.ts';
import type { DeviceFacts } from '../facts.ts';
import type { Clock, PciFunction, PciIdentity } from '../platform/index.ts';
import { SerialQueue } from '../serial-queue.ts';
import type { Placeable } from '../slots.ts';
import type { Assignment } from './assignment.ts';
import { HostOperations } from './host-operations.ts';
import type { SavedConfig } from './saved-config.ts';

/** A function that pciback holds, from seizing to release. */
export class SeizedDevice implements Placeable, DeviceFacts {
  readonly bdf: Bdf;
  readonly identity: PciIdentity;
  readonly bridges: readonly Bdf[];
  readonly operations: HostOperations;
  readonly pristine: SavedConfig;
  /** The device lock: life-cycle steps of this device run one after the other. */
  readonly lock = new SerialQueue();
  /** The guest that has it. Exclusive: see `Stub.assign`. */
  assignment: Assignment | undefined;
  /** Why no guest gets it any more. */
  quarantine: string | undefined;

  constructor(hardware: PciFunction, bridges: readonly Bdf[], pristine: SavedConfig, clock: Clock) {
    this.bdf = hardware.identity.bdf;
    this.identity = hardware.identity;
    this.bridges = bridges;
    this.pristine = pristine;
    this.operations = new HostOperations(hardware, clock);
  }
}
