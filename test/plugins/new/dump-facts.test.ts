// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { factsOfDump } from '../../../plugins/new/dump-facts.ts';
import { dumpText, registers } from '../../kit/dump-text.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-facts-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const dumped = (head: string, values: Parameters<typeof registers>[1]): string => {
  const file = join(home, 'device.txt');
  writeFileSync(file, dumpText(head, registers(256, values)));
  return file;
};
const device = [
  [0x00, 2, 0x1234],
  [0x02, 2, 0x5678],
] as const;

describe('what a dump says about a device', () => {
  it('its ids, and the registers that no field names and that are not zero', async () => {
    const file = dumped('01:00.0 Ethernet controller: a card', [
      ...device,
      [0x06, 2, 0x0010],
      [0x08, 4, 0x02000001],
      [0x34, 1, 0x40],
      [0x40, 2, 0x0001], // power management
      [0x42, 2, 0x0003],
      [0xe8, 4, 0x00c0ffee],
      [0xf0, 1, 0x01],
    ]);
    expect(await factsOfDump(file, undefined)).toMatchObject({
      vendor: 0x1234,
      device: 0x5678,
      quirks: [],
      registers: [
        { offset: 0xe8, value: 0x00c0ffee },
        { offset: 0xf0, value: 1 },
      ],
    });
  });

  it('of one whose registers are all zero, the first that nobody names', async () => {
    const file = dumped('01:00.0 Ethernet controller: a card', [...device, [0x08, 4, 0x02000001]]);
    expect((await factsOfDump(file, undefined)).registers).toEqual([{ offset: 0x40, value: 0 }]);
  });

  it('also of a function that no slot mapper gives to a guest', async () => {
    const file = dumped('00:18.2 Host bridge: a bridge', [...device, [0x08, 4, 0x06000000], [0xa0, 4, 7]]);
    expect((await factsOfDump(file, undefined)).registers).toEqual([{ offset: 0xa0, value: 7 }]);
  });

  it('the bundled quirks that are for it', async () => {
    const file = dumped('00:1b.0 Audio device: a codec', [
      [0x00, 2, 0x8086],
      [0x02, 2, 0x2668],
      [0x08, 4, 0x04030001],
    ]);
    expect((await factsOfDump(file, undefined)).quirks).toContain('intel/hda');
  });

  it('a file that is no dump is refused', async () => {
    writeFileSync(join(home, 'x.txt'), 'nothing of the kind\n');
    await expect(factsOfDump(join(home, 'x.txt'), undefined)).rejects.toMatchObject({ code: expect.any(String) });
  });
});
