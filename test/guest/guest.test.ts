// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';

interface Boot {
  guestAddresses(text: string): Map<number, string>;
  section(text: string, name: string): string;
}
interface Compare {
  compare(
    table: Uint8Array,
    seen: readonly number[],
    lists: object,
  ): { readonly explained: object; readonly unexplained: readonly string[] };
}
interface Fates {
  fatesOf(accesses: readonly object[], space: object): readonly { readonly text: string }[];
}
const load = (name: string): Promise<unknown> => import(`./${name}.mjs` as string);
const { guestAddresses, section } = (await load('boot')) as Boot;
const { compare } = (await load('compare')) as Compare;
const { fatesOf } = (await load('fates')) as Fates;

describe('what a guest says', () => {
  it('has a place for each device, behind a port or on the first bus', () => {
    const text = [
      '=== at /sys/devices/pci0000:00/0000:00:00.0',
      '=== at /sys/devices/pci0000:00/0000:00:02.0',
      '=== at /sys/devices/pci0000:00/0000:00:02.0/0000:01:00.0',
      '=== at /sys/devices/pci0000:00/0000:00:03.0',
      '=== at /sys/devices/pci0000:00/0000:00:1f.2',
    ].join('\n');
    const found = guestAddresses(`${text}\n`);
    expect([found.get(0), found.get(1), found.get(2)]).toEqual(['0000:01:00.0', '0000:00:03.0', undefined]);
  });

  it('stands between marks', () => {
    expect(section('x\n=== begin a\none\ntwo\n=== end a\n', 'a')).toBe('one\ntwo\n');
    expect(section('=== begin a\n', 'a')).toBe('');
  });
});

describe('config space of a guest beside the table', () => {
  const lists = { standard: [{ id: 0x05, offset: 0x50 }], extended: [] };
  const table = new Uint8Array(256);
  const seen = (changes: Readonly<Record<number, number>>): number[] =>
    [...table].map((byte, at) => changes[at] ?? byte);

  it('is equal, or different where nobody says why', () => {
    expect(compare(table, seen({}), lists)).toEqual({ explained: {}, unexplained: [] });
    expect(compare(table, seen({ 96: 1 }), lists).unexplained).toEqual(['0x60: table 00, guest 01']);
  });

  it('differs in what the client looks after, and in those bits alone', () => {
    expect(compare(table, seen({ 82: 1, 84: 0xfe }), lists)).toEqual({ explained: { MSI: 2 }, unexplained: [] });
    expect(compare(table, seen({ 14: 0x80 }), lists).unexplained).toEqual([]);
    expect(compare(table, seen({ 14: 0x81 }), lists).unexplained).toEqual(['0xe: table 00, guest 81']);
  });
});

describe('the fates of bits', () => {
  const space = {
    claimsOf: () => [
      { dword: 0xe8, mask: 0x00ff0000, policy: 'emulated', owner: 'a' },
      { dword: 0xe8, mask: 0x0f000000, policy: 'emulated', owner: 'a' },
      { dword: 0xe8, mask: 0x10000000, policy: 'readOnly', owner: 'b' },
    ],
  };
  const write = (more: object) => ({
    kind: 'write',
    offset: 0xea,
    size: 2,
    value: 0xffff,
    status: 0,
    denied: 0,
    ...more,
  });

  it('name each owner once, and what nobody owns', () => {
    const [one] = fatesOf([write({ denied: 0xf000 }), { ...write({}), kind: 'read' }], space);
    expect(one?.text.split('\n').map((line: string) => line.trim())).toEqual([
      '0x0ea:2 = ffff, refused f000',
      "0fff the guest's own (a)",
      '1000 refused: read-only (b)',
      'e000 dropped: no field',
    ]);
  });

  it('count what comes again', () => {
    expect(fatesOf([write({}), write({}), write({ value: 1 })], space)).toHaveLength(2);
    expect(fatesOf([write({}), write({})], space)[0]?.text).toContain('ffff 2x');
  });
});
