// SPDX-License-Identifier: MIT

import {
  type Behaviour,
  bit,
  type FieldSet,
  header,
  type Register,
  ResourceFlag,
  register,
  Status,
  stateOf,
} from '../../core/plugin/index.ts';
import { clientCommand } from './command.ts';
import { fieldPlugin } from './field-plugin.ts';
import { selfTest } from './self-test.ts';

// The header where a client of ours shows the guest its bus: a guest gives its devices addresses and lines of its own there,
// so what it writes is its own value, and hardware keeps the host's. Compare `header.ts`.

/** Index of the expansion ROM among the resources of a function. */
const ROM = 6;
const ROM_ENABLE = bit(0);
const state = stateOf('address', 'length');

const low = (value: bigint): number => Number(BigInt.asUintN(32, value));
const high = (value: bigint): number => Number(BigInt.asUintN(64, value) >> 32n);

/**
 * A base address register, or the ROM's, with a value of the guest's own: the bits of an address of this size, first as the
 * host assigned it. All ones give the size.
 *
 * @param index of the resource: 0..5, 6 for the ROM
 */
export const ownAddress = (index: number): Behaviour => ({
  about: {
    read: 'the address that the guest wrote, at first the host’s',
    write: 'changes the guest’s own address, hardware never',
  },
  words: state.words,
  steady: true,
  attach: (at) => {
    const { resources } = at.device.hardware;
    const resource = resources[index];
    const before = index === 0 || index === ROM ? undefined : resources[index - 1];
    if (before !== undefined && (before.flags & ResourceFlag.memory64) !== 0) {
      at.words[state.address] = high(before.start);
      at.words[state.length] = high(-before.size);
      return;
    }
    // No register, or one that the host could not use: the guest sees none.
    if (resource === undefined || resource.size === 0n || (resource.flags & ResourceFlag.disabled) !== 0) return;
    const type = index === ROM ? 0 : resource.flags & ResourceFlag.typeBits;
    at.words[state.address] = low(resource.start) | type;
    at.words[state.length] = low(-resource.size) | (index === ROM ? ROM_ENABLE : 0);
  },
  read: (at) => at.words[state.address] as number,
  write: (at, value) => {
    const { words } = at;
    const address = words[state.address] as number;
    const length = words[state.length] as number;
    words[state.address] = (value & length) | (address & ~length);
    return Status.success;
  },
});

const common: readonly Register[] = [
  register(0x00, 16, 'vendor id').shows(({ identity }) => identity.vendor),
  register(0x02, 16, 'device id').shows(({ identity }) => identity.device),
  register(0x04, 16, 'command').calls(clientCommand),
  register(0x0c, 8, 'cache line size').writable(),
  register(0x0d, 8, 'latency timer').readOnly(),
  register(0x0f, 8, 'BIST').calls(selfTest),
  register(0x3c, 8, 'interrupt line').emulated(),
  register(0x3d, 8, 'interrupt pin').readOnly(),
];

/** Header type 0 (PCI Local Bus 3.0, §6.1). Status, class, subsystem ids and the rest have no field. */
export const clientHeader: FieldSet = header(
  'client header',
  [0],
  [
    ...common,
    register(0x10, 32, 'BAR 0').calls(ownAddress(0)),
    register(0x14, 32, 'BAR 1').calls(ownAddress(1)),
    register(0x18, 32, 'BAR 2').calls(ownAddress(2)),
    register(0x1c, 32, 'BAR 3').calls(ownAddress(3)),
    register(0x20, 32, 'BAR 4').calls(ownAddress(4)),
    register(0x24, 32, 'BAR 5').calls(ownAddress(5)),
    register(0x30, 32, 'expansion ROM').calls(ownAddress(ROM)),
  ],
);

export default fieldPlugin('fields/client-header', clientHeader);
