// SPDX-License-Identifier: MIT

import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { isPcibackError } from '../../core/errors/index.ts';
import { nearest } from '../../core/errors/nearest.ts';
import { isBridgeClass } from '../bridges.ts';
import { fail } from '../errors.ts';
import { type DeviceImage, limitsOf, readDump, type SampleName, sample, sampleNames } from '../program/index.ts';

/** A device of a dump, and what lies on its bus. */
export interface DumpedDevice {
  readonly image: DeviceImage;
  readonly images: readonly DeviceImage[];
  /** What limits the picture. */
  readonly notes: readonly string[];
}

const isSample = (name: string): name is SampleName => (sampleNames as readonly string[]).includes(name);

/** A file beside whoever asks, or the name of a sample. */
export const placedDump = (name: string): string =>
  isSample(name) && !existsSync(resolve(name)) ? name : resolve(name);

const addressIn = (text: string | undefined) => {
  try {
    return text === undefined ? undefined : parseBdf(text);
  } catch (error) {
    if (isPcibackError(error)) return undefined;
    throw error;
  }
};

/**
 * The device that is meant of a dump: the one at an address, or the only endpoint, or the only one that is wanted.
 *
 * @param name path of a dump, or the name of a sample
 * @param address of the device; one that no device of the dump has counts when it is `required`
 * @param isWanted says which devices are looked for; missing: every one
 * @throws PcibackError `FILE_UNREADABLE`, `DUMP_INVALID`, `DEVICE_NOT_FOUND`, `USAGE` when it is not clear which one
 */
export const imageOfDump = async (
  name: string,
  address?: string,
  isWanted: (image: DeviceImage) => boolean = () => true,
): Promise<DumpedDevice> => {
  const notes: string[] = [];
  const placed = placedDump(name);
  if (!isSample(placed) && !existsSync(placed)) {
    const what = `there is no dump ${name}, and no sample of that name (${sampleNames.join(', ')})`;
    fail('USAGE', { what, nearest: nearest(basename(name), sampleNames) });
  }
  const images = isSample(placed) ? [sample(placed)] : await readDump(placed, (line) => notes.push(line));
  const meant = addressIn(address);
  const endpoints = images.filter(
    ({ config }) => !isBridgeClass(((config[0x0b] ?? 0) << 16) | ((config[0x0a] ?? 0) << 8)),
  );
  const named = images.find(({ bdf }) => bdf === meant);
  const wanted = endpoints.filter(isWanted);
  const image = named ?? (wanted.length === 1 ? wanted[0] : endpoints.length === 1 ? endpoints[0] : undefined);
  if (image !== undefined) return { image, images, notes: [...notes, ...limitsOf([image])] };
  const known = endpoints.map(({ bdf }) => formatBdf(bdf)).join(', ');
  const what =
    endpoints.length === 0
      ? `${name} has no device that a guest could have`
      : `${name} has several devices: choose one with --device, of ${known}`;
  return fail('USAGE', { what, nearest: undefined });
};
