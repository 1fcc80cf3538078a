// SPDX-License-Identifier: MIT

import { basename } from 'node:path';
import { formatBdf, hex, parseBdf } from '../../core/bdf.ts';
import { fail } from '../errors.ts';
import { type DeviceImage, parseDump } from '../program/index.ts';
import { type HeldTerms, holdDevice } from './held-device.ts';
import type { Recording } from './recording.ts';
import type { Script } from './script-terms.ts';
import { tryScript } from './trial.ts';

const HEADER_BYTES = 64;
const SIZES = [256, 4096] as const;
/** BARs and ROM of a type 0 header: a trace shows what the guest put there, which is nothing of the host's. */
const isAddress = (offset: number): boolean => (offset >= 0x10 && offset < 0x28) || (offset >= 0x30 && offset < 0x34);

/** The address in a device's name, of a trace; missing where it has none of the usual form. */
const addressOf = (device: string): string => {
  const found = /(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/i.exec(device)?.[0];
  return found === undefined ? '0000:00:00.0' : formatBdf(parseBdf(found));
};

const rowsOf = (config: Uint8Array): string[] =>
  Array.from({ length: config.length / 16 }, (_, row) => {
    const bytes = [...config.subarray(16 * row, 16 * row + 16)].map((one) => hex(one, 2));
    return `${hex(16 * row, 2)}: ${bytes.join(' ')}`;
  });

/**
 * The device of a session, as its first reads show it; what was not read is zero.
 *
 * @param file of the session, for messages
 * @throws PcibackError `SCRIPT_INVALID` when its ids were not read
 */
export const imageOf = ({ steps, device = '' }: Script, file: string): DeviceImage => {
  const [small, large] = SIZES;
  const reaches = steps.some(({ place, size }) => place.offset + size > small);
  const config = new Uint8Array(reaches ? large : small);
  const known = new Set<number>();
  for (const { kind, place, size, value = 0 } of steps) {
    for (let byte = 0; byte < size; byte++) {
      const at = place.offset + byte;
      // What was written before it was read is the driver's.
      if (!known.has(at) && kind === 'read' && !isAddress(at)) config[at] = (value >>> (8 * byte)) & 0xff;
      known.add(at);
    }
  }
  const ids = [0, 1, 2, 3].every((at) => known.has(at));
  if (!ids) {
    const why = 'the ids of the device (offset 0) are not read in it: give its dump with --dump';
    fail('SCRIPT_INVALID', { file, line: steps[0]?.line ?? 1, why });
  }
  const head = `${addressOf(device)} ${hex(config[0x0b] ?? 0, 2)}${hex(config[0x0a] ?? 0, 2)}:`;
  const [image] = parseDump([head, ...rowsOf(config)].join('\n'), file);
  return (
    image ?? fail('SCRIPT_INVALID', { file, line: 1, why: `it shows less than the ${HEADER_BYTES} bytes of a header` })
  );
};

/**
 * A session that was traced elsewhere, made again here: what of it the fields would refuse, and what nobody claims.
 *
 * @param image the device; missing: as the session shows it
 * @throws PcibackError `SCRIPT_INVALID`, and what the device is refused for
 */
export const recordingOfScript = async (
  script: Script,
  file: string,
  terms: HeldTerms,
  image: DeviceImage = imageOf(script, file),
): Promise<Recording> => {
  const held = await holdDevice([image], image.bdf, terms);
  try {
    const { tried } = await tryScript(held, script, new Set());
    const { vendor, device, subsystemVendor, subsystemDevice, bdf } = held.device.identity;
    return {
      device: { bdf: formatBdf(bdf), vendor, device, subsystemVendor, subsystemDevice },
      guest: `of ${script.form} ${basename(file)}`,
      accesses: tried.map(({ access }) => access),
      unrecorded: 0,
    };
  } finally {
    await held.close();
  }
};
