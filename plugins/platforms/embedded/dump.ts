// SPDX-License-Identifier: MIT

import { basename } from 'node:path';
import { formatBdf, parseBdf } from '../../../core/bdf.ts';
import { fail } from '../../errors.ts';
import { beyondXen, isBeyondXen, usableLine } from '../../host-facts.ts';
import { readGiven } from '../../read-text.ts';
import { dumpResources } from './dump-resources.ts';
import { addressInName, type HexLine, hexLine } from './hex-rows.ts';
import { completeConfig } from './host.ts';
import { type DeviceImage, readsOnes, silentImage, u16 } from './image.ts';
import { type MentionedRegion, mentionedRegion } from './mentioned-region.ts';

const HEAD_LINE = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])(?:\s(.*))?$/i;
const ROW_LINE = /^([0-9a-f]{2,3}):((?:\s[0-9a-f]{2})*)\s*$/i;
/** What a row looks like before its bytes are checked. */
const ROW_START = /^[0-9a-f]{2,3}:/i;
const PAIR_OF_IDS = /\[([0-9a-f]{4}):([0-9a-f]{4})\]/i;
const NUMERIC_IDS = /^(?:class )?[0-9a-f]{4}: ([0-9a-f]{4}):([0-9a-f]{4})/i;
const IRQ_MENTION = /\b(?:IRQ|routed to IRQ) (-?\d+)/;
const ROW_BYTES = 16;

/** Lengths of config space that `lspci -x`, `-xxx` and `-xxxx` print; 128 is `-x` of a CardBus bridge. */
const wholeLengths = new Set([64, 128, 256, 4096]);

/** Lines below 16 are the old interrupt controller's: a function whose line is not told gets one above. */
const FIRST_LINE = 16;

interface Draft {
  readonly line: number;
  readonly address: string;
  title: string;
  readonly bytes: number[];
  readonly regions: MentionedRegion[];
  lastRow: number;
  irq: number | undefined;
  /** Its rows are those of `xxd` or `hexdump`; after `*` the last one is repeated up to the next. */
  hexDump: 'no' | 'yes' | 'repeats';
}

type Invalid = (line: number, why: string) => never;

/**
 * Reads a dump made by `lspci` with `-x`, `-xxx` or `-xxxx`, also together with `-v`, `-vv`, `-n`, `-nn`, `-D`, or made by
 * `xxd` or `hexdump` of a `config` file of sysfs. As for `lspci -F`, text beside the rows means nothing: a prompt, what a
 * library complained of, a head line that a mail program broke. A row that is damaged is an error.
 *
 * A dump has no BAR sizes unless it is verbose. A size that is not there is guessed: the largest power of two the address
 * is aligned to, not above 1 MiB for memory and 256 bytes for I/O ports, and not below what the MSI-X table needs.
 * With `-x` only 64 bytes are there; the function then has no capabilities. A hex dump has its address from the name of its
 * file. A function that reads all ones did not answer: it is there, and cannot be seized.
 *
 * A virtual function is known by its vendor register 0xffff; its ids must stand in its head line (`-n` or `-nn`).
 *
 * @param text the whole dump
 * @param file its name, for messages
 * @param note told about functions that are left out
 * @throws PcibackError `DUMP_INVALID` with the line
 */
export const parseDump = (text: string, file: string, note: (line: string) => void = () => {}): DeviceImage[] => {
  const invalid: Invalid = (line, why) => fail('DUMP_INVALID', { file, line, why });
  const lines = text.split(/\r?\n/);
  const drafts = draftsOf(lines, file, invalid);
  if (drafts.length === 0) invalid(Math.max(1, lines.length), 'no device in it');

  const longest = Math.max(...drafts.map((one) => one.bytes.length));
  for (const draft of drafts) checkWhole(draft, longest, invalid);
  const beyond = drafts.map(({ address }) => address).filter(isBeyondXen);
  if (beyond.length > 0) note(beyondXen(beyond));
  const images = drafts
    .filter(({ address }) => !isBeyondXen(address))
    .map((draft) => ({ draft, image: imageOf(draft, file, invalid) }));
  const seen = new Map<number, number>();
  for (const { draft, image } of images) {
    const first = seen.get(image.bdf);
    if (first !== undefined) invalid(draft.line, `${formatBdf(image.bdf)} is there twice, first in line ${first}`);
    seen.set(image.bdf, draft.line);
  }
  return images.map(({ image }) => image);
};

/** Reads and parses a dump file. @throws PcibackError `FILE_UNREADABLE`, `DUMP_INVALID`. */
export const readDump = async (file: string, note?: (line: string) => void): Promise<DeviceImage[]> =>
  parseDump(await readGiven(file), file, note);

const draftsOf = (lines: readonly string[], file: string, invalid: Invalid): Draft[] => {
  const drafts: Draft[] = [];
  let current: Draft | undefined;
  for (const [index, content] of lines.entries()) {
    const line = index + 1;
    const head = HEAD_LINE.exec(content);
    if (head) {
      const [, segment = '0000', bus, device, fn, title = ''] = head;
      current = startDraft(`${segment}:${bus}:${device}.${fn}`, title, line);
      drafts.push(current);
      continue;
    }
    if (ROW_START.test(content)) {
      addRow(current ?? invalid(line, 'a row of bytes before the first device'), content, line, invalid);
      continue;
    }
    const hex = hexLine(content);
    if (hex?.kind === 'row' && current === undefined) {
      current = startDraft(addressInName(basename(file)), '', line);
      drafts.push(current);
    }
    if (current === undefined) continue;
    if (hex !== undefined && (hex.kind === 'row' || current.hexDump !== 'no')) addHex(current, hex, line, invalid);
    else if (/^\s+\S/.test(content)) mention(current, content);
    // A head line that was broken goes on here.
    else if (current.bytes.length === 0 && current.regions.length === 0) current.title += ` ${content.trim()}`;
  }
  return drafts;
};

const startDraft = (address: string, title: string, line: number): Draft => ({
  line,
  address,
  title,
  bytes: [],
  regions: [],
  lastRow: line,
  irq: undefined,
  hexDump: 'no',
});

const hexOf = (value: number): string => value.toString(16).padStart(2, '0');

const addRow = (draft: Draft, content: string, line: number, invalid: Invalid): void => {
  const row =
    ROW_LINE.exec(content) ?? invalid(line, `"${content.slice(0, 40)}" is not a row of 16 bytes in hexadecimal`);
  const digits = (row[2] ?? '').trim();
  const bytes = digits === '' ? [] : digits.split(/\s/).map((one) => Number.parseInt(one, 16));
  addBytes(draft, Number.parseInt(row[1] ?? '', 16), bytes, line, invalid);
};

const addBytes = (draft: Draft, offset: number, bytes: readonly number[], line: number, invalid: Invalid): void => {
  if (offset !== draft.bytes.length) {
    invalid(line, `row ${hexOf(offset)} where row ${hexOf(draft.bytes.length)} is due`);
  }
  if (bytes.length !== ROW_BYTES) invalid(line, `row ${hexOf(offset)} has ${bytes.length} of 16 bytes`);
  draft.bytes.push(...bytes);
  draft.lastRow = line;
};

const addHex = (draft: Draft, hex: HexLine, line: number, invalid: Invalid): void => {
  if (hex.kind === 'damaged') invalid(line, 'not a row of a hex dump');
  else if (hex.kind === 'repeat') draft.hexDump = 'repeats';
  else {
    const last = draft.bytes.slice(-ROW_BYTES);
    const mayRepeat = draft.hexDump === 'repeats' && last.length === ROW_BYTES && hex.offset <= 4096;
    while (mayRepeat && draft.bytes.length < hex.offset) draft.bytes.push(...last);
    draft.hexDump = 'yes';
    if (hex.kind === 'row') addBytes(draft, hex.offset, hex.bytes, line, invalid);
  }
};

const mention = (draft: Draft, content: string): void => {
  const region = mentionedRegion(content);
  if (region !== undefined) {
    draft.regions.push(region);
    return;
  }
  const irq = IRQ_MENTION.exec(content);
  if (irq && draft.irq === undefined) draft.irq = Number(irq[1]);
};

const checkWhole = (draft: Draft, longest: number, invalid: Invalid): void => {
  const { bytes, address, lastRow } = draft;
  if (bytes.length === 0) invalid(lastRow, `${address} has no rows of bytes (make the dump with -xxxx)`);
  if (!wholeLengths.has(bytes.length)) {
    invalid(
      lastRow,
      `${address} is cut short: it ends at 0x${hexOf(bytes.length)}, row ${hexOf(bytes.length)} is missing`,
    );
  }
  // All devices of one dump are made with the same option, so a lone short one is what is left of a longer one.
  if (bytes.length < 256 && longest >= 256) {
    invalid(lastRow, `${address} is cut short: it has ${bytes.length} bytes, others of this dump have ${longest}`);
  }
};

/** Register 0x3c holds what firmware wrote for the old interrupt controller; who has no line is told by the pin. */
const lineOf = ({ irq }: Draft, config: Uint8Array, devfn: number): number => {
  const pin = config[0x3d] ?? 0;
  const register = config[0x3c] ?? 0;
  // lspci may have it from there too, so a number below says no more where it stands in the text.
  const told = irq === undefined ? register : usableLine(irq);
  if (irq === undefined ? pin === 0 || register === 0xff : told === 0) return 0;
  return told >= FIRST_LINE ? told : FIRST_LINE + (((devfn >>> 3) + pin - 1) & 3);
};

const imageOf = (draft: Draft, file: string, invalid: Invalid): DeviceImage => {
  const bytes = Uint8Array.from(draft.bytes);
  const bdf = parseBdf(draft.address);
  if (readsOnes(bytes)) return silentImage(bdf, file, bytes);
  const named = PAIR_OF_IDS.exec(draft.title) ?? NUMERIC_IDS.exec(draft.title);
  const virtual = u16(bytes, 0) === 0xffff;
  if (virtual && !named) {
    invalid(draft.line, `${formatBdf(bdf)} reads vendor id ffff and its line has no ids (make the dump with -nn)`);
  }
  const { config, known } = completeConfig(bytes);
  return {
    bdf,
    source: file,
    vendor: virtual && named ? Number.parseInt(named[1] ?? '', 16) : u16(config, 0),
    device: virtual && named ? Number.parseInt(named[2] ?? '', 16) : u16(config, 2),
    config,
    known,
    resources: dumpResources(config, draft.regions, { virtual }),
    line: lineOf(draft, config, bdf & 0xff),
    virtualFunction: virtual,
  };
};
