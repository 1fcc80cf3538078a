// SPDX-License-Identifier: MIT

import {
  type Behaviour,
  bits,
  extendedCapability,
  type FieldSet,
  type PciFunction,
  register,
} from '../../core/plugin/index.ts';
import { closedRegisters } from './closed.ts';
import { fieldPlugin } from './field-plugin.ts';

const FIRST_CONTROL = 0x08;

/**
 * The sizes that a BAR can have: the one it has. A driver takes its choice from here and believes it, without a look at
 * what became of the write; a guest would then use memory behind the BAR.
 */
const currentSize: Behaviour = {
  about: { read: 'only the size that the BAR has' },
  read: (at) => {
    const size = (at.device.hardware.readConfig(at.offset + 4, 4) >>> 8) & 0x3f;
    return size < 28 ? 1 << (size + 4) : 0;
  },
};

/** BARs that can be resized, from the first control register. */
const count = (device: PciFunction, base: number): number => (device.readConfig(base + FIRST_CONTROL, 4) >>> 5) & 7;

/** The pair of registers of one BAR. Where BARs lie and how large they are is the host's. */
const pair = (index: number): FieldSet =>
  extendedCapability(
    0x0015,
    `resizable BAR ${index}`,
    [
      register(0x04 + 8 * index, 32, 'capabilities')
        .calls(currentSize, bits(31, 4))
        .readOnly(),
      register(0x08 + 8 * index, 32, 'control')
        .shows(0, bits(31, 16)) //            sizes from 256 TiB on
        .readOnly(),
    ],
    { when: (device, base) => index < count(device, base) },
  );

/** Resizable BARs, extended id 0x0015 (PCI Express 5.0, §7.8.6). */
export const resizableBars: readonly FieldSet[] = [0, 1, 2, 3, 4, 5].map(pair);

/** The same of virtual functions, extended id 0x0024 (PCI Express 5.0, §9.3.7): a guest has none, and makes none larger. */
export const resizableVfBars: readonly FieldSet[] = [0, 1, 2, 3, 4, 5].map((index) =>
  extendedCapability(
    0x0024,
    `resizable VF BAR ${index}`,
    closedRegisters([
      [0x04 + 8 * index, 32, 'capabilities'],
      [0x08 + 8 * index, 32, 'control'],
    ]),
    { when: (device, base) => index < count(device, base) },
  ),
);

export default fieldPlugin('fields/rebar', ...resizableBars, ...resizableVfBars);
