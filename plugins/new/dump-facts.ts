// SPDX-License-Identifier: MIT

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { formatBdf, hex, parseBdf } from '../../core/bdf.ts';
import type { GuestBudgets } from '../../core/budget.ts';
import { silent } from '../../core/log.ts';
import { DenialRecord } from '../../core/space/denials.ts';
import type { Tenant } from '../../core/stub/index.ts';
import { assignedAt } from '../assigned.ts';
import { fail } from '../errors.ts';
import { guestBudgets } from '../guest-budgets.ts';
import { createEmbeddedPlatform, type DeviceImage, readDump, startPciback } from '../program/index.ts';

/** What a dump says about a device that a quirk is to be written for. */
export interface DumpFacts {
  readonly vendor: number;
  readonly device: number;
  /** Dwords behind the header that no field claims a bit of and that are not zero; when all are zero, the first. */
  readonly registers: readonly { readonly offset: number; readonly value: number }[];
  /** Bundled quirks that are for the device already. */
  readonly quirks: readonly string[];
  /** The function alone, as `lspci` prints it. */
  readonly text: string;
}

/** What is more than this is left to the author. */
const MOST_REGISTERS = 16;
const HEADER_BYTES = 0x40;
const ROW_BYTES = 16;

const u32 = (bytes: Uint8Array, offset: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset, true);

/** @throws PcibackError `USAGE`, `DEVICE_NOT_FOUND`, `BDF_SYNTAX` */
const chosen = (images: readonly DeviceImage[], file: string, wanted: string | undefined): DeviceImage => {
  const [first] = images;
  if (wanted !== undefined) {
    const address = parseBdf(wanted);
    const found = images.find(({ bdf }) => bdf === address);
    return found ?? fail('DEVICE_NOT_FOUND', { bdf: formatBdf(address), platform: `embedded (devices of ${file})` });
  }
  if (images.length === 1 && first !== undefined) return first;
  const named = images.map(({ bdf }) => formatBdf(bdf)).join(', ');
  const what = `${file} has ${images.length} functions${named === '' ? '' : `; say which with --device: ${named}`}`;
  return fail('USAGE', { what, nearest: undefined });
};

const rowsOf = ({ bdf, config }: DeviceImage): string => {
  const ids = `${hex(u32(config, 0) & 0xffff, 4)}:${hex(u32(config, 0) >>> 16, 4)}`;
  const rows = Array.from({ length: config.length / ROW_BYTES }, (_, row) => {
    const bytes = [...config.subarray(row * ROW_BYTES, (row + 1) * ROW_BYTES)].map((byte) => hex(byte, 2));
    return `${hex(row * ROW_BYTES, 2)}: ${bytes.join(' ')}`;
  });
  return [`${formatBdf(bdf)} Device [${ids}]`, ...rows, ''].join('\n');
};

/** Nobody runs in it: it only holds the device, so that its table is compiled. */
const nobody = (budgets: GuestBudgets): Tenant => ({
  domain: 1,
  name: 'nobody',
  denials: new DenialRecord(1),
  budget: budgets.of(1),
  refused: () => {},
  settled: () => {},
  hold: (work) => work(),
  viewChanged: () => {},
});

/** Gives the device to a guest that does nothing, with nothing but what is bundled. */
const lookAt = async (image: DeviceImage): Promise<Pick<DumpFacts, 'registers' | 'quirks'>> => {
  const platform = createEmbeddedPlatform({ devices: [image] });
  const { engine, abandon } = await startPciback({ config: { control: false }, platform });
  try {
    await engine.stub.assign(image.bdf, nobody(guestBudgets(silent, platform.clock)));
    const { space, rules } = assignedAt(engine, formatBdf(image.bdf), 'there is nothing to look at').assignment;
    const owners = new Set(rules.contributions.map(({ owner }) => owner));
    const free = [...space.table.claimed].flatMap((claimed, dword) => {
      const offset = dword * 4;
      if (claimed !== 0 || offset < HEADER_BYTES || offset + 4 > image.config.length) return [];
      return [{ offset, value: u32(image.config, offset) }];
    });
    const used = free.filter(({ value }) => value !== 0);
    return {
      registers: used.length === 0 ? free.slice(0, 1) : used,
      quirks: engine.plugins.registries.quirks.names.filter((name) => owners.has(name)),
    };
  } finally {
    await abandon();
  }
};

/** A dump of one function as it is; of several the one that is named, alone. @throws PcibackError as {@link factsOfDump} */
export const dumpTextOf = async (file: string, wanted: string | undefined): Promise<string> => {
  const images = await readDump(file);
  return images.length === 1 ? readFile(file, 'utf8') : rowsOf(chosen(images, basename(file), wanted));
};

/**
 * Reads a dump and looks at its device.
 *
 * @param wanted address of the function; missing: there is one only
 * @throws PcibackError `FILE_UNREADABLE`, `DUMP_INVALID`, `USAGE`, `DEVICE_NOT_FOUND`, and what keeps the device from a guest
 */
export const factsOfDump = async (file: string, wanted: string | undefined): Promise<DumpFacts> => {
  const images = await readDump(file);
  const image = chosen(images, basename(file), wanted);
  const { registers, quirks } = await lookAt(image);
  return {
    vendor: u32(image.config, 0) & 0xffff,
    device: u32(image.config, 0) >>> 16,
    registers: registers.slice(0, MOST_REGISTERS),
    quirks,
    text: images.length === 1 ? await readFile(file, 'utf8') : rowsOf(image),
  };
};
