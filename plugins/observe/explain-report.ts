// SPDX-License-Identifier: MIT

import { styleText } from 'node:util';
import { hex } from '../../core/bdf.ts';
import { columns, folded, WIDTH } from '../columns.ts';
import { fitText, missText } from '../quirk-fits.ts';
import type { DenialReport, DenialsReport, ExplainReport } from './explain-operations.ts';
import type { ExplainedMap, ExplainedPart } from './explain-table.ts';

type Print = (line: string) => void;
/** Colours a cell of the map by its kind and its mark. */
export type Paint = (text: string, kind: string, mark: string) => string;

const kindNames: Readonly<Record<string, string>> = {
  H: 'header',
  L: 'capability list',
  C: 'capability',
  X: 'extended capability',
  Q: 'quirk',
  P: 'no field, permissive',
  '.': 'no field',
};

const colours = { H: 'blue', L: 'gray', C: 'cyan', X: 'magenta', Q: 'green', P: 'yellow' } as const;

/** @param mode `plain`: ASCII, for files and pipes */
export const painter = (mode: 'colours' | 'plain'): Paint => {
  if (mode === 'plain') return (text) => text;
  return (text, kind, mark) => {
    if (mark === 'd') return styleText(['bold', 'red'], text);
    const colour = colours[kind as keyof typeof colours];
    return colour === undefined ? text : styleText(mark === 'w' ? ['bold', colour] : colour, text);
  };
};

/** What every guest has without an rc file, so that it is not worth a word. */
export const USUAL_POLICY = 'strict';

const interruptsOf = (policy: string, allowed: boolean): string => {
  if (policy === USUAL_POLICY && !allowed) return '';
  return `, interrupts: ${policy}${allowed ? ', also by config writes' : ''}`;
};

const titleOf = ({
  bdf,
  vendor,
  device,
  guest,
  unhandled,
  interrupts,
  allowInterruptControl,
  size,
}: ExplainReport): string =>
  `${bdf}  ${vendor}:${device}  guest ${guest.domain} (${guest.name}), ${size} bytes, ` +
  `writes without a field: ${unhandled}${interruptsOf(interrupts, allowInterruptControl)}`;

const printHead = (report: ExplainReport, print: Print): void => {
  const { matched, unmatched } = report.quirks;
  const quirks = [...matched.map(fitText), ...unmatched.map(missText)];
  for (const text of [titleOf(report), ...quirks.map((one) => `quirk ${one}`)]) {
    for (const line of folded(text, WIDTH)) print(line);
  }
};

/** A table below a line. */
const printTable = (rows: readonly (readonly string[])[], print: Print): void => {
  for (const line of columns(rows, WIDTH - 2)) print(`  ${line}`);
};

const bitsText = (high: number, low: number): string => (high === low ? `bit ${high}` : `bits ${high}:${low}`);
const sizeText = (size: number): string => (size === 1 ? '1 byte' : `${size} bytes`);

const printPart = ({ offset, size, bits, counts }: ExplainedPart, print: Print): void => {
  const { reads, writes, denied } = counts;
  const seen = [`read ${times(reads)}`, `written ${times(writes)}`, `denied ${times(denied)}`].join(', ');
  print(`\n0x${hex(offset, 2)}, ${sizeText(size)}: ${seen}`);
  const rows = bits.flatMap(({ high, low, owner, read, write }) => [
    [bitsText(high, low), owner],
    ['', `read: ${read}; write: ${write}`],
  ]);
  printTable(rows, print);
  for (const { high, low, instead } of bits) {
    for (const one of instead ?? []) print(`  ${bitsText(high, low)} instead of ${one}`);
  }
};

/** `0x` would be a number of another kind. */
const times = (count: number): string => (count === 0 ? 'never' : count === 1 ? 'once' : `${count} times`);

const denialRow = (denial: DenialReport): string[] => [
  `0x${hex(denial.offset, 2)}`,
  sizeText(denial.size),
  `0x${hex(denial.value, denial.size * 2)}`,
  `0x${hex(denial.mask, denial.size * 2)}`,
  `${denial.count}x`,
  `${denial.owner}: ${denial.why}`,
];

const printRows = (denials: readonly DenialReport[], print: Print): void => {
  printTable([['offset', 'size', 'last value', 'refused', 'count', 'owner: why'], ...denials.map(denialRow)], print);
};

const byteRange = (first: number, last: number): string =>
  first === last ? `0x${hex(first, 2)}` : `0x${hex(first, 2)}..0x${hex(last, 2)}`;

/** Bit by bit where an offset was given, else register by register. */
export const printExplained = (report: ExplainReport, print: Print): void => {
  printHead(report, print);
  for (const part of report.parts ?? []) printPart(part, print);
  if (report.registers !== undefined) {
    const rows = report.registers.map(({ first, last, owner, kind, bits }) => {
      const counts = Object.entries(bits).map(([policy, count]) => `${policy} ${count}`);
      return [byteRange(first, last), kind, `${owner}: ${counts.join(', ')}`];
    });
    printTable([['bytes', 'kind', 'owner: bits by policy'], ...rows], print);
  }
  if (report.denials.length > 0) {
    print(`\nrefused writes${report.parts === undefined ? '' : ' to these bytes'}`);
    printRows(report.denials, print);
  }
};

/** The bounded record of one guest and device. */
export const printDenied = (report: DenialsReport, print: Print): void => {
  const { bdf, guest, denials, total, unrecorded } = report;
  print(`${bdf}  guest ${guest.domain} (${guest.name}): ${denials.length} distinct refused writes`);
  if (denials.length > 0) printRows(denials, print);
  const lost = unrecorded === 0 ? 'every one is in the record' : `${unrecorded} found no place in the record any more`;
  for (const line of folded(`${total} refused writes of this guest, to any device; ${lost}`, WIDTH)) print(line);
};

const FIRST_PART = 0x100;
const ROW = 16;
const WIDE_ROW = 64;
/** Kinds that are explained on one line. */
const LEGEND = 4;

const standardRows = ({ kinds, marks }: ExplainedMap, paint: Paint): string[] => {
  const columnsLine = Array.from({ length: ROW }, (_, index) => hex(index, 1).padEnd(2)).join(' ');
  const rows = [`      ${columnsLine}`.trimEnd()];
  for (let start = 0; start < Math.min(FIRST_PART, kinds.length); start += ROW) {
    const cells = [...kinds.slice(start, start + ROW)].map((kind, index) => {
      const mark = marks[start + index] ?? '.';
      return paint(`${kind}${mark === '.' ? ' ' : mark}`, kind, mark);
    });
    rows.push(`${hex(start, 3)}   ${cells.join(' ')}`.trimEnd());
  }
  return rows;
};

/** One character per byte: the mark, or where nothing touched the byte its owner's kind. */
const extendedRows = ({ kinds, marks }: ExplainedMap, paint: Paint): string[] => {
  const rows: string[] = [];
  let blank: number | undefined;
  const flush = (end: number): void => {
    if (blank !== undefined) rows.push(`${hex(blank, 3)}   to ${hex(end - 1, 3)}: no field, untouched`);
    blank = undefined;
  };
  for (let start = FIRST_PART; start < kinds.length; start += WIDE_ROW) {
    const row = kinds.slice(start, start + WIDE_ROW);
    const seen = marks.slice(start, start + WIDE_ROW);
    if (/^\.*$/.test(row) && /^\.*$/.test(seen)) {
      blank ??= start;
      continue;
    }
    flush(start);
    const cells = [...row].map((kind, index) => {
      const mark = seen[index] ?? '.';
      return paint(mark === '.' ? kind : mark, kind, mark);
    });
    rows.push(`${hex(start, 3)}   ${cells.join('')}`);
  }
  flush(kinds.length);
  return rows;
};

/** The whole config space: 256 bytes in rows of 16 with kind and mark, the rest in rows of 64. */
export const printMap = (report: ExplainReport, paint: Paint, print: Print): void => {
  const { map } = report;
  if (map === undefined) return;
  printHead(report, print);
  print('');
  for (const line of standardRows(map, paint)) print(line);
  if (map.kinds.length > FIRST_PART) {
    print('');
    for (const line of extendedRows(map, paint)) print(line);
  }
  const present = Object.entries(kindNames).filter(([letter]) => map.kinds.includes(letter));
  const legend = present.map(([letter, name]) => `${paint(letter, letter, '.')} ${name}`);
  print(`\n${legend.slice(0, LEGEND).join('   ')}`);
  if (legend.length > LEGEND) print(legend.slice(LEGEND).join('   '));
  print(`${paint('d', '.', 'd')} denied, else w written, else r read`);
  const count = (mark: string): number => [...map.marks].filter((one) => one === mark).length;
  print(`bytes: ${count('r')} only read, ${count('w')} written, ${count('d')} denied, ${count('.')} untouched`);
};
