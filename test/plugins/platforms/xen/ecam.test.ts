// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { parseBdf } from '../../../../core/bdf.ts';
import { agreedRanges, describeRange, frameOf, parseMcfg } from '../../../../plugins/platforms/xen/ecam.ts';
import { iomemText, type McfgEntry, mcfgTable, sealed } from './ecam-tables.ts';

const whole = { segment: 0, firstBus: 0, lastBus: 0xff, base: 0xe0000000n };

describe('the table MCFG', () => {
  it('lists ranges of buses', () => {
    const table = mcfgTable([{}, { base: 0x380000000000n, segment: 2, first: 0x20, last: 0x3f }]);
    expect(parseMcfg(table)).toEqual([whole, { segment: 2, firstBus: 0x20, lastBus: 0x3f, base: 0x380000000000n }]);
    expect(parseMcfg(mcfgTable([]))).toEqual([]);
  });

  it('ends where it says, whatever follows', () => {
    expect(parseMcfg(Buffer.concat([mcfgTable(), Buffer.alloc(16, 0xff)]))).toEqual([whole]);
  });

  /** The table with another length in its header. */
  const saying = (table: Buffer, length: number): Buffer => {
    table.writeUInt32LE(length, 4);
    return sealed(table);
  };
  const broken: readonly (readonly [string, (table: Buffer) => Buffer])[] = [
    ['is empty', () => Buffer.alloc(0)],
    ['is cut off in its header', (table) => table.subarray(0, 43)],
    ['is cut off in an entry', (table) => table.subarray(0, 59)],
    ['has another signature', (table) => sealed(Buffer.concat([Buffer.from('MCFX'), table.subarray(4)]))],
    ['has a wrong checksum', (table) => table.fill(1, 44, 45)],
    ['says less than a header', (table) => saying(table, 43)],
    ['ends inside of an entry', (table) => saying(table, 52)],
    ['says more than there is', (table) => saying(table, 0xffffffec)],
  ];
  it.each(broken)('that %s is refused', (_what, spoil) => {
    expect(() => parseMcfg(spoil(mcfgTable()))).toThrow(/MCFG/);
  });

  const entries: readonly (readonly [string, McfgEntry])[] = [
    ['at address 0', { base: 0n }],
    ['not on a boundary of a bus', { base: 0xe0001000n }],
    ['above every address', { base: 0xfffffffff0000000n }],
    ['with its buses the wrong way round', { first: 5, last: 4 }],
  ];
  it.each(entries)('loses an entry %s, and that only', (_what, entry) => {
    expect(parseMcfg(mcfgTable([entry, {}]))).toEqual([whole]);
  });
});

describe('the ranges that firmware and kernel agree on', () => {
  const agreed = (lines: string, ...entries: McfgEntry[]): string[] =>
    agreedRanges(mcfgTable(entries.length === 0 ? [{}] : entries), lines).map(describeRange);

  it('are those of the table that the kernel lists, by both of its names, at any depth', () => {
    expect(agreed(iomemText)).toEqual(['0000 [bus 00-ff]']);
    expect(agreed('e0000000-efffffff : Reserved\n  e0000000-efffffff : PCI ECAM 0000 [bus 00-ff]\n')).toHaveLength(1);
  });

  it('have the buses that the kernel has left of them', () => {
    expect(agreed('e0000000-e3ffffff : PCI MMCONFIG 0000 [bus 00-3f]')).toEqual(['0000 [bus 00-3f]']);
  });

  it('begin where their first bus is, not where bus 0 would be', () => {
    const entry = { segment: 1, first: 0x80, last: 0xff };
    const line = 'e8000000-efffffff : PCI MMCONFIG 0001 [bus 80-ff]';
    expect(agreed(line, entry)).toEqual(['0001 [bus 80-ff]']);
    expect(agreed('e0000000-e7ffffff : PCI MMCONFIG 0001 [bus 80-ff]', entry)).toEqual([]);
  });

  it.each([
    ['nothing', ''],
    ['the range as something else', 'e0000000-efffffff : Reserved'],
    ['memory that is called like it', 'e0000000-efffffff : System RAM PCI MMCONFIG 0000 [bus 00-ff]'],
    ['what everybody but root is shown', '00000000-00000000 : PCI MMCONFIG 0000 [bus 00-ff]'],
    ['another address', 'd0000000-dfffffff : PCI MMCONFIG 0000 [bus 00-ff]'],
    ['another end', 'e0000000-e7ffffff : PCI MMCONFIG 0000 [bus 00-ff]'],
    ['another segment', 'e0000000-efffffff : PCI MMCONFIG 0001 [bus 00-ff]'],
  ])('are none when the kernel lists %s', (_what, lines) => {
    expect(agreed(lines)).toEqual([]);
  });

  it('are none when the kernel lists buses that the table does not have', () => {
    expect(agreed('e0000000-efffffff : PCI MMCONFIG 0000 [bus 00-ff]', { last: 0x7f })).toEqual([]);
  });
});

describe('the frame of a function', () => {
  const ranges = [whole, { segment: 2, firstBus: 0x20, lastBus: 0x3f, base: 0x380000000000n }];

  it.each([
    ['0000:00:00.0', 0xe0000n],
    ['0000:03:1f.7', 0xe03ffn],
    ['0000:ff:00.1', 0xeff01n],
    ['0002:20:01.0', 0x380002008n],
  ])('%s is counted from bus 0 of its segment', (address, frame) => {
    expect(frameOf(ranges, parseBdf(address))).toBe(frame);
  });

  it.each(['0001:00:00.0', '0002:1f:00.0', '0002:40:00.0'])('%s is on no bus of a range', (address) => {
    expect(() => frameOf(ranges, parseBdf(address))).toThrow(address);
  });
});
