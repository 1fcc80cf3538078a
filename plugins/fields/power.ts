// SPDX-License-Identifier: MIT

import {
  type Behaviour,
  bit,
  bits,
  capability,
  type FieldSet,
  Outcome,
  type PowerState,
  register,
  Status,
} from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

const PME_ENABLE = bit(8);
const PME_STATUS = bit(15);

/** D0 to D3hot: the host makes the transition, by its own rules. */
const state: Behaviour = {
  about: { write: 'the host makes the transition, D0 to D3hot, by its own rules' },
  // The wake-up line is shared, so PME is off for every guest. A one in the status bit would clear it.
  attach: (at) => {
    const now = at.read();
    if ((now & PME_ENABLE) !== 0) at.write(now & ~(PME_ENABLE | PME_STATUS));
  },
  write: (at, value) => {
    const status = at.device.setPowerState((value & at.mask) as PowerState);
    if (status === Status.success || status === Outcome.later) return status;
    at.deny(at.mask, 'the host refused the power state');
    return Status.accessDenied;
  },
};

/** Power management capability, id 0x01 (PCI Bus Power Management 1.2, §3.2). Offsets count from the capability. */
export const powerManagement: FieldSet = capability(0x01, 'power management', [
  register(0x02, 16, 'capabilities').shows(0, bits(15, 11)).readOnly(), //  PME support is hidden
  register(0x04, 16, 'control/status')
    .calls(state, bits(1, 0))
    .writable(bits(12, 9)) //                                               data select
    .clearedByOne(PME_STATUS)
    .readOnly(),
  register(0x06, 8, 'bridge extensions').readOnly(),
  register(0x07, 8, 'data').readOnly(),
]);

export default fieldPlugin('fields/power', powerManagement);
