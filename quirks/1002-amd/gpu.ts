// SPDX-License-Identifier: MIT

import { defineQuirk, onlyValues, register } from '../index.ts';

/** Radeon graphics: the reset by a magic value, which some need before a driver finds them in order. */
export default defineQuirk({
  name: 'amd/gpu',
  source:
    'Linux driver amdgpu and the module vendor-reset (Vega 10 and 20, Navi 10): 0x39D5E86B written to 0x7C resets the ' +
    'function. Read, the register is something else.',
  match: [{ vendor: 0x1002, class: { value: 0x030000, mask: 0xff0000 } }],
  // Where PCI Express lies at 0x64, slot control and status are at the same place; a graphics card has no slot behind it.
  instead: 'pcie',
  fields: [register(0x7c, 32, 'config reset').calls(onlyValues([0x39d5e86b], 'it takes the reset value only'))],
});
