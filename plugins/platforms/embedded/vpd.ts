// SPDX-License-Identifier: MIT

import { put, u16, u32 } from './image.ts';

/** The window of the VPD capability: address with a flag, data. */
export interface Vpd {
  /** The address register was written: starts a transfer. */
  addressWritten(): void;
  /** A config read ended: a transfer is over after the flag was polled once. */
  afterRead(offset: number, size: number): void;
}

/** Flag F: 1 after a read transfer, 0 after a write transfer. */
const FLAG = 0x8000;

/**
 * Makes the window.
 *
 * @param config the function's config space, changed in place
 * @param at offset of the capability
 * @param content initial content of the memory behind it; what lies beyond reads 0
 */
export const createVpd = (config: Uint8Array, at: number, content: Uint8Array): Vpd => {
  const memory = new Uint8Array(Math.max(content.length, 0x100));
  memory.set(content);
  let flips = false;
  return {
    addressWritten: () => {
      const register = u16(config, at + 2);
      const address = register & 0x7ffc;
      const inside = address + 4 <= memory.length;
      if (register & FLAG) {
        if (inside) put(memory, address, 4, u32(config, at + 4));
      } else put(config, at + 4, 4, inside ? u32(memory, address) : 0);
      flips = true;
    },
    afterRead: (offset, size) => {
      if (!flips || offset > at + 3 || offset + size <= at + 2) return;
      flips = false;
      put(config, at + 2, 2, u16(config, at + 2) ^ FLAG);
    },
  };
};
