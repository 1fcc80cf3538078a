// SPDX-License-Identifier: MIT

import type { Bdf } from '../bdf.ts';
import type { Tenant } from './assignment.ts';
import type { SeizedDevice } from './seized-device.ts';

/** Devices that an earlier process held. */
export interface EarlierDevices {
  /**
   * Takes over one that no guest has any more, and makes it clean.
   *
   * @returns `undefined`: no earlier process held it, or it is not there
   */
  recover(address: Bdf): Promise<SeizedDevice | undefined>;
  /**
   * Takes over one that this guest has; nothing is done to it.
   *
   * @param interrupted that process died while it carried out an interrupt request of the guest for it
   * @returns `undefined`: that guest did not have it, or it was on its way back
   * @throws PcibackError, HostError why it cannot go on; it is taken from the guest then
   */
  resume(address: Bdf, tenant: Tenant, interrupted: boolean): Promise<SeizedDevice | undefined>;
}
