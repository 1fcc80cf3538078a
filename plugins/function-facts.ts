// SPDX-License-Identifier: MIT

import { hex } from '../core/bdf.ts';
import { isPcibackError } from '../core/errors/index.ts';
import { HostError, type PciListing, type Platform } from '../core/platform/index.ts';
import { type ConfigReader, extendedCapabilities } from '../core/space/capabilities.ts';
import type { SeizedDevice } from '../core/stub/index.ts';
import type { DevicePattern, FunctionFacts } from './device-pattern.ts';
import type { Config } from './kinds/config.ts';
import { detailsOf } from './kinds/platform.ts';

/** Device serial number (PCI Express 5.0, §7.9.3): the lower dword at 4, the upper at 8. */
const SERIAL_NUMBER = 0x0003;
const SERIAL_BYTES = 12;

/**
 * The serial number in config space, as `lspci -vv` prints it: `00-1b-21-ff-ff-a5-3c-7e`.
 *
 * @param size bytes of config space that can be read
 * @returns `undefined` for a function without one
 */
export const serialIn = (config: ConfigReader, size: number): string | undefined => {
  const place = extendedCapabilities(config, size).find(({ id }) => id === SERIAL_NUMBER);
  if (place === undefined || place.offset + SERIAL_BYTES > size) return undefined;
  const [lower, upper] = [4, 8].map((at) => hex(config.readConfig(place.offset + at, 4), 8)) as [string, string];
  return `${upper}${lower}`.match(/../g)?.join('-');
};

/** The same in config space that was read. */
export const serialInBytes = (bytes: Uint8Array): string | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return serialIn({ readConfig: (at) => view.getUint32(at, true) }, bytes.byteLength);
};

/** A function that cannot be read is known by its address and ids alone, and is no reason not to look at the others. */
const unlessHost = (error: unknown): undefined => {
  if (error instanceof HostError) return undefined;
  throw error;
};

/** Functions of a platform with what patterns want to know of them; one that has gone meanwhile is left out. */
export const factsOf = async (
  { pci }: Pick<Platform, 'pci'>,
  functions: readonly PciListing[],
  patterns: readonly DevicePattern[],
): Promise<readonly FunctionFacts[]> => {
  if (patterns.length === 0) return [];
  const isInDetail = patterns.some(({ inDetail }) => inDetail === true);
  const look = async (one: PciListing): Promise<FunctionFacts | undefined> => {
    try {
      const bridges = await pci.bridgesAbove(one.bdf);
      const details = isInDetail ? await detailsOf({ pci }, one.bdf).catch(unlessHost) : undefined;
      return { ...one, ...details, bridges };
    } catch (error) {
      if (isPcibackError(error, 'DEVICE_NOT_FOUND')) return undefined;
      throw error;
    }
  };
  return (await Promise.all(functions.map(look))).filter((one) => one !== undefined);
};

/** The same of a device that is seized. */
export const factsOfSeized = ({ bdf, identity, bridges, operations: { hardware } }: SeizedDevice): FunctionFacts => ({
  ...identity,
  bdf,
  bridges,
  get serial() {
    return serialIn(hardware, identity.configSize);
  },
});

/** Keys of a configuration that are lists of patterns. */
export const patternKeys = ['hide', 'permissive', 'allowInterruptControl', 'allowInUse', 'allowSharedPages'] as const;

/** All patterns of a configuration. */
export const patternsOf = (config: Pick<Config, (typeof patternKeys)[number]>): readonly DevicePattern[] =>
  patternKeys.flatMap((key) => config[key]);
