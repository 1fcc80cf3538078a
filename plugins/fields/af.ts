// SPDX-License-Identifier: MIT

import {
  type Behaviour,
  bit,
  capability,
  definePlugin,
  type FieldSet,
  register,
  Status,
} from '../../core/plugin/index.ts';

/** From control back to capabilities, in bytes. */
const CAPABILITIES_BEFORE = 1;
const RESET_CAPABLE = bit(1);
const INITIATE_RESET = bit(0);

/** As in PCI Express: the guest's function-level reset goes to the reset hook (vfio-pci traps it too). */
const functionReset: Behaviour = {
  about: { read: 'always 0', write: 'a one resets the function, through the reset hook' },
  read: () => 0,
  steady: true,
  described: { kind: 'inert' },
  write: (at, value) => {
    if ((value & INITIATE_RESET) === 0) return Status.success;
    const able = at.device.hardware.readConfig(at.offset - CAPABILITIES_BEFORE, 1) & RESET_CAPABLE;
    if (able !== 0) return at.device.resetFunction();
    at.deny(INITIATE_RESET, 'the function has no function-level reset');
    return Status.success;
  },
};

/** Advanced features capability, id 0x13 (Advanced Capabilities for Conventional PCI, 2006). */
export const advancedFeatures: FieldSet = capability(0x13, 'advanced features', [
  register(0x02, 8, 'length').readOnly(),
  register(0x03, 8, 'capabilities').readOnly(),
  register(0x04, 8, 'control').calls(functionReset, INITIATE_RESET).reserved(),
  register(0x05, 8, 'status').readOnly(),
]);

export default definePlugin({
  name: 'fields/af',
  api: '^1.0',
  apply: (host) => {
    host.fields.add(advancedFeatures);
  },
});
