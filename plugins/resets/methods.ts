// SPDX-License-Identifier: MIT

/** A method of a host to reset a function. */
export interface ResetMethod {
  /** As the host's `reset_method` file names it. */
  readonly name: string;
  readonly about: string;
  /** Whether it resets other functions too: all below the same bridge. */
  readonly reach: 'function' | 'bus';
}

/** In the order in which a host tries them. */
export const resetMethods: readonly ResetMethod[] = [
  { name: 'device_specific', about: 'the host’s own way for this device', reach: 'function' },
  { name: 'acpi', about: 'a method of the firmware', reach: 'function' },
  { name: 'flr', about: 'function-level reset, PCI Express', reach: 'function' },
  { name: 'af_flr', about: 'function-level reset, advanced features', reach: 'function' },
  { name: 'pm', about: 'power state D3hot and back', reach: 'function' },
  { name: 'bus', about: 'reset of the slot or the bus', reach: 'bus' },
  { name: 'cxl_bus', about: 'reset of the bus, CXL', reach: 'bus' },
];
