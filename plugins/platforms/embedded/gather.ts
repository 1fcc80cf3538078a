// SPDX-License-Identifier: MIT

import { segmentOf } from '../../../core/bdf.ts';
import type { DeviceImage } from './image.ts';
import { hostDevices, limitsOf, readDump, samples } from './sources.ts';

/** The lowest segment in which none of these functions lies. */
const freeSegment = (images: readonly DeviceImage[]): number => {
  const used = new Set(images.map((image) => segmentOf(image.bdf)));
  let segment = 0;
  while (used.has(segment)) segment += 1;
  return segment;
};

/**
 * The functions that a list of sources names.
 *
 * @param names `host` (this host's own, only read), `samples` (put into a segment of their own), or absolute paths of
 * `lspci -xxxx` dumps
 * @param note told what limits the picture, and what is left out
 * @throws PcibackError `FILE_UNREADABLE`, `DUMP_INVALID`
 */
export const gatherDevices = async (
  names: readonly string[],
  note: (line: string) => void = () => {},
): Promise<DeviceImage[]> => {
  const images: DeviceImage[] = [];
  for (const name of names) {
    if (name === 'host') images.push(...(await hostDevices(undefined, note)));
    else if (name !== 'samples') images.push(...(await readDump(name, note)));
  }
  for (const line of limitsOf(images)) note(line);
  if (names.includes('samples')) images.push(...samples(freeSegment(images)));
  return images;
};
