// SPDX-License-Identifier: MIT

import { readFile } from 'node:fs/promises';
import { parseBdf } from '../../../core/bdf.ts';
import { describeError, fail } from '../../../core/errors/index.ts';
import { dumpResources, type MentionedRegion } from './dump-resources.ts';
import { completeConfig } from './host.ts';
import { type DeviceImage, u16 } from './image.ts';

const HEAD_LINE = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])(?:\s(.*))?$/i;
const ROW_LINE = /^([0-9a-f]{2,3}):((?:\s[0-9a-f]{2})*)\s*$/i;
/** What a row looks like before its bytes are checked. */
const ROW_START = /^[0-9a-f]{2,3}:/i;
const PAIR_OF_IDS = /\[([0-9a-f]{4}):([0-9a-f]{4})\]/i;
const NUMERIC_IDS = /^(?:class )?[0-9a-f]{4}: ([0-9a-f]{4}):([0-9a-f]{4})/i;
const region =
  /^\s+(?:Region (\d): |\[virtual\] |Expansion )?.*?(Memory|I\/O ports|ROM) at (<\w+>|[0-9a-f]+)?.*\[size=(\d+)([KMGT]?)\]/;
const IRQ_MENTION = /\b(?:IRQ|routed to IRQ) (\d+)/;

/** Lengths of config space that `lspci -x`, `-xxx` and `-xxxx` print; 128 is `-x` of a CardBus bridge. */
const wholeLengths = new Set([64, 128, 256, 4096]);

interface Draft {
  readonly line: number;
  readonly address: string;
  readonly title: string;
  readonly bytes: number[];
  readonly regions: MentionedRegion[];
  lastRow: number;
  irq: number | undefined;
}

/**
 * Reads a dump made by `lspci` with `-x`, `-xxx` or `-xxxx`, also together with `-v`, `-vv`, `-n`, `-nn`, `-D`.
 *
 * A dump has no BAR sizes unless it is verbose. A size that is not there is guessed: the largest power of two the address
 * is aligned to, not above 1 MiB for memory and 256 bytes for I/O ports, and not below what the MSI-X table needs.
 * With `-x` only 64 bytes are there; the function then has no capabilities.
 *
 * A virtual function is known by its vendor register 0xffff; its ids must stand in its head line (`-n` or `-nn`).
 *
 * @param text the whole dump
 * @param file its name, for messages
 * @throws PcibackError `DUMP_INVALID` with the line
 */
export const parseDump = (text: string, file: string): DeviceImage[] => {
  const drafts: Draft[] = [];
  const invalid = (line: number, why: string): never => fail('DUMP_INVALID', { file, line, why });
  let current: Draft | undefined;

  const lines = text.split(/\r?\n/);
  let line = 0;
  for (const content of lines) {
    line += 1;
    const head = HEAD_LINE.exec(content);
    if (head) {
      current = startDraft(head, line);
      drafts.push(current);
    } else if (ROW_START.test(content)) {
      addRow(current ?? invalid(line, 'a row of bytes before the first device'), content, line, invalid);
    } else if (current && /^\s+\S/.test(content)) mention(current, content);
    else if (content.trim() !== '')
      invalid(line, `"${content.trim().slice(0, 40)}" is neither a device nor a row of bytes`);
  }
  if (drafts.length === 0) invalid(Math.max(1, lines.length), 'no device in it');

  const longest = Math.max(...drafts.map((one) => one.bytes.length));
  for (const draft of drafts) checkWhole(draft, longest, invalid);
  const seen = new Map<string, number>();
  for (const { address, line } of drafts) {
    const first = seen.get(address);
    if (first !== undefined) invalid(line, `${address} is there twice, first in line ${first}`);
    seen.set(address, line);
  }
  return drafts.map((draft) => imageOf(draft, file, invalid));
};

/** Reads and parses a dump file. @throws PcibackError `FILE_UNREADABLE`, `DUMP_INVALID`. */
export const readDump = async (file: string): Promise<DeviceImage[]> => {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    return fail('FILE_UNREADABLE', { file, why: describeError(error) }, error);
  }
  return parseDump(text, file);
};

type Invalid = (line: number, why: string) => never;

const startDraft = (head: RegExpExecArray, line: number): Draft => {
  const [, segment = '0', bus, device, fn, title = ''] = head;
  return {
    line,
    address: `${segment}:${bus}:${device}.${fn}`,
    title,
    bytes: [],
    regions: [],
    lastRow: line,
    irq: undefined,
  };
};

const hexOf = (value: number): string => value.toString(16).padStart(2, '0');

const addRow = (draft: Draft, content: string, line: number, invalid: Invalid): void => {
  const row =
    ROW_LINE.exec(content) ?? invalid(line, `"${content.slice(0, 40)}" is not a row of 16 bytes in hexadecimal`);
  const offset = Number.parseInt(row[1] ?? '', 16);
  if (offset !== draft.bytes.length) {
    invalid(line, `row ${hexOf(offset)} where row ${hexOf(draft.bytes.length)} is due`);
  }
  const bytes = (row[2] ?? '').trim().split(/\s/);
  if (bytes.length !== 16) invalid(line, `row ${hexOf(offset)} has ${bytes[0] === '' ? 0 : bytes.length} of 16 bytes`);
  draft.bytes.push(...bytes.map((one) => Number.parseInt(one, 16)));
  draft.lastRow = line;
};

const units: Record<string, bigint> = { '': 1n, K: 1024n, M: 1024n ** 2n, G: 1024n ** 3n, T: 1024n ** 4n };

const mention = (draft: Draft, content: string): void => {
  const found = region.exec(content);
  if (found) {
    const [, index, kind, at, size = '0', unit = ''] = found;
    draft.regions.push({
      index: index === undefined ? undefined : Number(index),
      kind: kind === 'ROM' ? 'rom' : kind === 'Memory' ? 'memory' : 'io',
      start: at === undefined || at.startsWith('<') ? undefined : BigInt(`0x${at}`),
      size: BigInt(size) * (units[unit] ?? 1n),
    });
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

const imageOf = (draft: Draft, file: string, invalid: Invalid): DeviceImage => {
  const bytes = Uint8Array.from(draft.bytes);
  const named = PAIR_OF_IDS.exec(draft.title) ?? NUMERIC_IDS.exec(draft.title);
  const virtual = u16(bytes, 0) === 0xffff;
  if (virtual && !named) {
    invalid(draft.line, `${draft.address} reads vendor id ffff and its line has no ids (make the dump with -nn)`);
  }
  const { config, known } = completeConfig(bytes);
  const pin = config[0x3d] ?? 0;
  const register = config[0x3c] ?? 0;
  return {
    bdf: parseBdf(draft.address),
    source: file,
    vendor: virtual && named ? Number.parseInt(named[1] ?? '', 16) : u16(config, 0),
    device: virtual && named ? Number.parseInt(named[2] ?? '', 16) : u16(config, 2),
    config,
    known,
    resources: dumpResources(config, draft.regions),
    line: draft.irq ?? (pin > 0 && register < 255 ? register : 0),
    virtualFunction: virtual,
  };
};
