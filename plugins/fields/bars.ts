// SPDX-License-Identifier: MIT

import { type Behaviour, type PciResource, ResourceFlag, Status, stateOf } from '../../core/plugin/index.ts';

/** Index of the expansion ROM among the resources of a function. */
const ROM = 6;

/**
 * The address and the size mask as the register shows them, whether it shows the mask (1) or the address (0), and the bits
 * that no write can change: the test for "all ones" leaves them out.
 */
const state = stateOf('address', 'length', 'sizing', 'fixed');

const MOVED = 'a guest cannot move a base address register';
const ROM_SWITCHED = 'a guest cannot move or switch the expansion ROM';
const ROM_MOVED = 'a guest cannot move the expansion ROM';

const UNUSABLE = ResourceFlag.disabled | ResourceFlag.unassigned | ResourceFlag.busy;

const low = (value: bigint): number => Number(BigInt.asUintN(32, value));
const high = (value: bigint): number => Number(BigInt.asUintN(64, value) >> 32n);

/** Of a register that is not the upper half of another. */
const fixedBits = (index: number, resource: PciResource | undefined): number => {
  if (index === ROM) return 0x7ff;
  return resource !== undefined && (resource.flags & ResourceFlag.io) !== 0 ? 0x3 : 0xf;
};

/**
 * A base address register, or the ROM's: shows the address that the host assigned, or after a write of all ones the
 * size mask. Both are what the host recorded, never what the device says now (XSA-124). Nothing of a guest's write
 * reaches hardware, but for one case: the guest writes the right address and the device has lost it.
 *
 * @param index of the resource: 0..5, 6 for the ROM
 */
export const baseAddress = (index: number): Behaviour => ({
  about: {
    read: 'the address that the host assigned; after all ones were written, the size mask',
    write: 'all ones ask for the size; the right address is restored in hardware if lost; any other is refused',
  },
  words: state.words,
  steady: true,
  described: { kind: 'twofold', first: state.address, second: state.length, chosen: state.sizing, fixed: state.fixed },
  attach: (at) => {
    const { resources } = at.device.hardware;
    const resource = resources[index];
    const before = index === 0 || index === ROM ? undefined : resources[index - 1];
    const upper = before !== undefined && (before.flags & ResourceFlag.memory64) !== 0;
    at.words[state.fixed] = upper ? 0 : fixedBits(index, resource);
    if (upper) {
      at.words[state.address] = high(before.start);
      at.words[state.length] = high(-before.size);
    } else if (resource !== undefined && resource.size !== 0n && (resource.flags & UNUSABLE) === 0) {
      const type = resource.flags & ResourceFlag.typeBits;
      at.words[state.address] = low(resource.start) | type;
      at.words[state.length] = low(-resource.size) | type;
    }
  },
  read: (at) => at.words[at.words[state.sizing] === 0 ? state.address : state.length] as number,
  write: (at, value) => {
    const { words } = at;
    const address = words[state.address] as number;
    const length = words[state.length] as number;
    const fixed = words[state.fixed] as number;
    if ((value | fixed) >>> 0 === 0xffffffff) {
      words[state.sizing] = 1;
      return Status.success;
    }
    words[state.sizing] = 0;
    // A register that is not offered to the guest has no address to restore.
    if (length === 0) return Status.success;
    if (value === address) {
      if (at.read() !== address) at.write(address);
      return Status.success;
    }
    const enable = index === ROM ? 1 : 0;
    const refused = (value ^ address) & ((length & ~fixed) | enable);
    if (refused !== 0) at.deny(refused, index === ROM ? ROM_SWITCHED : MOVED);
    return Status.success;
  },
});

/** The register of the expansion ROM. */
export const romAddress: Behaviour = baseAddress(ROM);

const ROM_ADDRESS = 0xfffff800;
const ROM_ENABLE = 1;

/** The same where the guest may switch the ROM: its enable bit goes to hardware, with the address that the host assigned. */
export const switchedRom: Behaviour = {
  about: {
    read: 'the address that the host assigned, and whether the ROM is on; after all ones were written, the size mask',
    write: 'all ones ask for the size; with the right address the ROM is switched on or off; any other is refused',
  },
  words: state.words,
  steady: true,
  attach: (at) => romAddress.attach?.(at),
  read: (at) => {
    const { words } = at;
    if (words[state.sizing] !== 0) return words[state.length] as number;
    const address = words[state.address] as number;
    return words[state.length] === 0 ? address : (address & ROM_ADDRESS) | (at.read() & ROM_ENABLE);
  },
  write: (at, value) => {
    const { words } = at;
    const address = (words[state.address] as number) & ROM_ADDRESS;
    const length = words[state.length] as number;
    words[state.sizing] = (value | (words[state.fixed] as number)) >>> 0 === 0xffffffff ? 1 : 0;
    if (words[state.sizing] === 1 || length === 0) return Status.success;
    const moved = (value ^ address) & length & ROM_ADDRESS;
    // Nobody's ROM is at 0: the host gave it no place.
    if (moved !== 0 || address === 0) at.deny(moved | ROM_ENABLE, ROM_MOVED);
    else at.write(address | (value & ROM_ENABLE));
    return Status.success;
  },
};
