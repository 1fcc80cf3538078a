// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { Command, type DeviceImage, type EmbeddedHostOptions, parseDump, startEmbeddedHost } from 'pciback/testing';

/** The device of the dump, which `lspci -xxxx -s BDF` has made as root. */
export const devices: readonly DeviceImage[] = parseDump(
  readFileSync(new URL('../../test/device.txt', import.meta.url), 'utf8'),
  'test/device.txt',
);

/** A register that the device takes writes to, every bit: a dump does not say which those are. */
export interface Writable {
  readonly offset: number;
  readonly size: 1 | 2 | 4;
}

const ALL_BITS = 0xffffffff;

/**
 * Starts a host with the device, and a guest that has it; accesses go through the shared page, as those of a kernel do.
 *
 * @param registers of the device itself
 */
export const startGuest = async (options: EmbeddedHostOptions, registers: readonly Writable[] = []) => {
  const writable = registers.map(({ offset, size }) => ({ offset, size, mask: ALL_BITS }));
  const host = await startEmbeddedHost({ devices: devices.map((image) => ({ ...image, writable })), ...options });
  const addresses = devices.map(({ bdf }) => bdf);
  const guest = await host.guest(addresses, { driver: 'none' });
  await guest.reached(4); // connected
  return {
    host,
    /** Of the first device, which a guest has at 0000:00:00.0 or where `devfn` says. */
    read: async (offset: number, size: number, devfn = 0): Promise<number> => {
      const { err, value } = await guest.request({ cmd: Command.confRead, devfn, offset, size });
      if (err !== 0) throw new Error(`read of ${size} bytes at 0x${offset.toString(16)}: error ${err}`);
      return value;
    },
    /** @returns what the guest is answered: 0, or an error number */
    write: async (offset: number, size: number, value: number, devfn = 0): Promise<number> =>
      (await guest.request({ cmd: Command.confWrite, devfn, offset, size, value })).err,
    close: () => host.close(),
  };
};
