// SPDX-License-Identifier: MIT

import type { PciFunction } from '../platform/pci.ts';
import type { CompiledSpace } from './compile.ts';
import type { PlacedQuiet } from './quiet.ts';
import type { PlacedRegister } from './table.ts';
import type { DeviceView } from './views.ts';

/**
 * What another thread needs to answer reads and writes from a table, as things are now. Never throws: a device is also
 * taken from that thread by a new view.
 *
 * @param failed told about behaviours that threw
 */
export const viewOf = (
  table: CompiledSpace,
  { configFile = -1, configPage }: PciFunction,
  counts: { readonly reads: Uint32Array; readonly writes: Uint32Array },
  failed: (offset: number, error: unknown) => void,
): DeviceView => {
  /** What is known of a register's writes at present; `null`: its behaviour has to be asked about each. */
  const quietNow = (one: PlacedRegister): PlacedQuiet | null => {
    const { behaviour } = one;
    try {
      const writes = behaviour.quietNow === undefined ? behaviour.quiet : behaviour.quietNow(one);
      // Plugins may be plain JavaScript: another kind is as good as none.
      return writes === undefined || writes.kind !== behaviour.quiet?.kind ? null : one.describe(writes);
    } catch (error) {
      failed(one.offset, error);
      return null;
    }
  };
  const { size, shadowed, shadow, answered, writable, ones, own, reserved, coded, words } = table;
  const behind = new Uint8Array(size >> 2);
  for (const { offset } of table.steady) behind[offset >> 2] = 1;
  const quiet = table.quiet.map((one) => (one === null ? null : quietNow(one)));
  return {
    size,
    shadowed,
    shadow,
    answered,
    reads: counts.reads,
    file: configFile,
    ...(configPage === undefined ? {} : { page: configPage }),
    writes: { writable, ones, own, reserved, coded, quiet, behind, words, counts: counts.writes },
  };
};

/**
 * The register that refused bits of a write which another thread has answered; `undefined`: no register with a behaviour
 * has, but the policy of the bits. Never both: such a write is left to this thread.
 *
 * @param mask bit pattern of the refused bits, as from `offset` on
 */
export const refuserOf = (
  table: CompiledSpace,
  offset: number,
  mask: number,
): { readonly owner: string; readonly why: string } | undefined => {
  const bits = mask << ((offset & 3) << 3);
  for (const { behaviour, mask: own, shift, owner } of table.registers[offset >> 2] ?? []) {
    if (behaviour.quiet?.kind === 'refused' && ((own << shift) & bits) !== 0)
      return { owner, why: behaviour.quiet.why };
  }
  return undefined;
};
