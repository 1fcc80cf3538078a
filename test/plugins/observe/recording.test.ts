// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { header, register } from '../../../core/space/declaration.ts';
import type { RecordedAccess } from '../../../core/space/recorder.ts';
import { AccessLog } from '../../../plugins/observe/access-log.ts';
import { learn } from '../../../plugins/observe/learn.ts';
import { formatRecording, parseRecording, type Recording } from '../../../plugins/observe/recording.ts';
import { guestView } from '../../kit/guest-view.ts';

const device = { bdf: '0000:03:00.0', vendor: 0x8086, device: 0x10d3, subsystemVendor: 0, subsystemDevice: 1 };
const access = (
  kind: 'read' | 'write',
  offset: number,
  size: 1 | 2 | 4,
  value: number,
  rest: Partial<RecordedAccess> = {},
): RecordedAccess => ({ kind, offset, size, value, status: 0, denied: 0, wanted: 0, ...rest });
const recording = (...accesses: RecordedAccess[]): Recording => ({ device, guest: 'work', accesses, unrecorded: 0 });

describe('a log of accesses', () => {
  it('keeps them as they were, in order', () => {
    const log = new AccessLog(8);
    const all = [
      access('read', 0xffc, 4, 0xffffffff),
      access('write', 0, 1, 0xff, { status: -5, denied: 0xff, wanted: 0x0f }),
      access('write', 0x104, 4, 0x80000000, { status: 1, denied: 0x80000000, wanted: 0x80000000 }),
      access('read', 2, 2, 0, { status: -2 }),
    ];
    for (const one of all) log.access(one);
    expect(log.list()).toEqual(all);
  });

  it('is bounded, and counts what found no place', () => {
    const log = new AccessLog(3);
    for (let i = 0; i < 10; i++) log.access(access('read', i * 4, 4, i));
    expect([log.length, log.overflow]).toEqual([3, 7]);
    expect(log.list().map((one) => one.value)).toEqual([0, 1, 2]);
  });
});

describe('a config space that is recorded', () => {
  const set = header('set', [0], [register(0x40, 8, 'open').writable(), register(0x41, 8, 'shut').readOnly()]);
  const record = (permissive: boolean) => {
    const view = guestView([set], { image: [[0x40, 4, 0x11223344]] }, (one) => {
      one.permissive = permissive;
    });
    const log = new AccessLog(8);
    view.space.record(log);
    return { view, log };
  };

  it.each([false, true])('tells refused bits from wanted ones, permissive %s', (permissive) => {
    const { view, log } = record(permissive);
    view.read(0x40, 4);
    view.write(0x40, 4, 0x11203345 ^ 0x00000200);
    view.space.read(3, 2);
    expect(log.list()).toEqual([
      access('read', 0x40, 4, 0x11223344),
      // Bit 0 is open, bit 9 is refused by its field, bit 17 is nobody's.
      access('write', 0x40, 4, 0x11203145, { denied: permissive ? 0x200 : 0x20200, wanted: 0x20000 }),
    ]);
  });

  it('is not changed by being recorded', () => {
    const { view } = record(false);
    const plain = guestView([set], { image: [[0x40, 4, 0x11223344]] });
    for (const one of [view, plain]) one.write(0x40, 4, 0xffffffff);
    expect(view.hardware.writes).toEqual(plain.hardware.writes);
    expect(view.refused).toEqual(plain.refused);
    view.space.record(undefined);
    view.write(0x40, 1, 0);
    expect(view.hardware.get(0x40, 1)).toBe(0);
  });
});

describe('a recording file', () => {
  const one = recording(
    access('read', 0, 4, 0x10d38086),
    access('write', 0xe8, 2, 0x2810, { denied: 0x2000, wanted: 0x2000, status: -5 }),
  );

  it('reads back as it was written', () => {
    expect(parseRecording(formatRecording(one), 'x')).toEqual(one);
  });

  const [head = '', first = ''] = formatRecording(one).split('\n');
  it.each([
    ['', 1],
    ['{', 1],
    [head.replace('1', '2'), 1],
    [head.replace('8086', '80867'), 1],
    [`${head}\n${first}\n\nnull`, 4],
    [`${head}\n${first.replace('4', '3')}`, 2],
    [`${head}\n{"read":"0x1000","size":1,"value":"0"}`, 2],
    [`${head}\n{"read":"0x02","size":4,"value":"0"}`, 2],
    [`${head}\n{"read":"0x02","size":1,"value":"0x100"}`, 2],
    [`${head}\n{"size":1,"value":"0x1"}`, 2],
  ])('%j is refused with its line', (text, line) => {
    expect(() => parseRecording(text, 'a.jsonl')).toThrow(new RegExp(`a\\.jsonl.*line ${line} `));
  });
});

describe('learning', () => {
  const wanted = (offset: number, size: 1 | 2 | 4, bits: number) =>
    access('write', offset, size, bits, { denied: bits, wanted: bits });

  it('takes no reads, no writes that change nothing, and no bits of a field', () => {
    const lesson = learn(
      recording(access('read', 0x40, 4, 1), access('write', 0x44, 4, 7), access('write', 4, 2, 64, { denied: 64 })),
    );
    expect(lesson.registers).toEqual([]);
    expect(lesson.owned).toMatchObject([{ offset: 4, denied: 64 }]);
  });

  it('joins the bits of writes to one register, and counts equal ones once', () => {
    const { registers } = learn(recording(wanted(0xe8, 2, 0x2000), wanted(0xe8, 2, 0x1000), wanted(0xe8, 2, 0x1000)));
    expect(registers).toMatchObject([
      { offset: 0xe8, width: 16, mask: 0x3000, evidence: [{ count: 1 }, { count: 2 }] },
    ]);
  });

  it.each<[string, RecordedAccess[], [number, number, number][]]>([
    ['a byte inside of a word', [wanted(0x40, 2, 0x8000), wanted(0x40, 1, 1)], [[0x40, 16, 0x8001]]],
    ['a word around a byte', [wanted(0x41, 1, 1), wanted(0x40, 4, 2)], [[0x40, 32, 0x102]]],
    [
      'two bytes that a dword joins',
      [wanted(0x40, 1, 1), wanted(0x43, 1, 1), wanted(0x40, 4, 2)],
      [[0x40, 32, 0x01000003]],
    ],
    [
      'neighbours',
      [wanted(0x41, 1, 1), wanted(0x40, 1, 1)],
      [
        [0x40, 8, 1],
        [0x41, 8, 1],
      ],
    ],
    ['the highest bit', [wanted(0x40, 4, 0x80000000)], [[0x40, 32, 0x80000000]]],
  ])('%s', (_what, accesses, expected) => {
    const { registers } = learn(recording(...accesses));
    expect(registers.map(({ offset, width, mask }) => [offset, width, mask])).toEqual(expected);
  });
});
