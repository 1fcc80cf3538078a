// SPDX-License-Identifier: MIT

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runQuirk } from '../../plugins/observe/quirk-run.ts';
import { sample } from '../../plugins/platforms/embedded/sources.ts';
import tg3 from '../../quirks/14e4-broadcom/tg3.ts';
import { bits, defineQuirk, extendedCapability, ids, register } from '../../quirks/index.ts';
import { commandContext } from '../kit/command-context.ts';
import { type DeclaredAccess, type QuirkCase, testQuirk } from '../kit/test-quirk.ts';

const nic = (mask: number, more: Parameters<typeof defineQuirk>[0]['fields'] = []) =>
  defineQuirk({
    name: 'acme/nic',
    source: 'a data sheet',
    match: ids('8086', ['10d3']),
    fields: [register(0x44, 16, 'mode').writable(mask), ...more],
  });
const accepted: DeclaredAccess = { write: 0x44, size: 2, value: 0x000f, outcome: 'accepted', shows: 0x000f };
const terms = (accesses: QuirkCase['accesses']): QuirkCase => ({
  dump: 'e1000e',
  fields: 'kernel',
  ...(accesses === undefined ? {} : { accesses }),
  print: () => undefined,
});

describe('a test of a quirk', () => {
  it('has a verdict: what is needed and what is allowed', async () => {
    const printed: string[] = [];
    const verdict = await testQuirk(nic(0x000f), {
      ...terms([
        accepted,
        { write: 0x44, size: 2, value: 0x001f, outcome: 0x0010 },
        { read: '0x44', size: 2, shows: 0x000f },
      ]),
      print: (line) => printed.push(line),
    });
    expect(printed).toEqual([verdict.text]);
    expect(verdict.text).toBe(
      'acme/nic on 8086:10d3: denies nothing that is needed, allows 4 bits beyond the bundled fields (3 accesses)',
    );
    expect(verdict).toMatchObject({ opened: 4, accesses: 3 });
  });

  it('takes a file by its path from where the test runs, or by its URL', async () => {
    const home = mkdtempSync(join(tmpdir(), 'pciback-test-quirk-'));
    const file = join(home, 'nic.json');
    const fields = [{ offset: '0x44', width: 16, name: 'mode', writable: '0x000f' }];
    writeFileSync(
      file,
      JSON.stringify({ name: 'acme/nic', source: 'x', match: [{ vendor: '8086', device: '10d3' }], fields }),
    );
    for (const one of [relative('.', file), pathToFileURL(file)]) {
      expect((await testQuirk(one, terms([accepted]))).opened).toBe(4);
    }
    rmSync(home, { recursive: true });
  });

  it('takes the lines of a script, places in capabilities, and an image', async () => {
    const quirk = defineQuirk({
      name: 'acme/cap',
      source: 'x',
      match: ids('8086', ['10d3']),
      fields: [extendedCapability(0x0001, 'errors', [register(0x08, 32, 'mask').writable(bits(7, 0))])],
    });
    const accesses = 'w ECAP0001+8 4 ff\nexpect accepted\nexpect ff';
    expect((await testQuirk(quirk, { ...terms(accesses), dump: sample('e1000e') })).opened).toBe(8);
  });

  it.each<[string, Parameters<typeof testQuirk>[0], QuirkCase, RegExp]>([
    [
      'a need that is denied',
      nic(0x0007),
      terms([accepted]),
      /line 1: bits 0x0008 were refused\n {2}line 1: expected 0x000f/,
    ],
    [
      'more than is declared',
      nic(0x001f),
      terms([{ write: 0x44, size: 2, value: 0x1f, outcome: 0x10 }]),
      /line 1: nothing was refused/,
    ],
    [
      'a bit that no access uses',
      nic(0x00ff),
      terms([accepted]),
      /no access uses bits 0x000000f0 at 0x44 \(acme\/nic: acme\/nic \/ mode\)/,
    ],
    [
      'a write that changes nothing',
      nic(0x000f),
      terms([{ write: 0x44, size: 2, value: 0, outcome: 'accepted' }]),
      /no access uses bits 0x0000000f/,
    ],
    [
      'an access beside the quirk',
      nic(0x000f),
      terms([accepted, { read: 0x48, size: 4, shows: 0 }]),
      /line 2: no bit of the quirk is concerned by the read of 4 bytes at 0x48/,
    ],
    [
      'an access without an outcome',
      nic(0x000f),
      terms('w 44 2 f\nr 44 2'),
      /line 1: the write of 2 bytes at 0x44 has no outcome\n.*line 2: the read/,
    ],
    [
      'another device',
      nic(0x000f),
      { ...terms([accepted]), dump: 'tg3' },
      /acme\/nic is not for the device: its vendor is 14e4, not 8086/,
    ],
    [
      'a set that somebody else has',
      nic(0x000f, [register(0xe8, 16, 'control').writable(1)]),
      { ...terms([accepted]), fields: 'full' },
      /is left out: 0x.* belongs to fields\/pcie/,
    ],
    ['no accesses', nic(0x000f), terms(undefined), /either `accesses`.*or a `session`/],
    ['no device', nic(0x000f), { accesses: [accepted] }, /needs `dump`/],
    ['a place that is none', nic(0x000f), terms([{ read: 'CAPx', size: 1, shows: 0 }]), /access 1: "CAPx" is no place/],
  ])('refuses %s', async (_, quirk, given, why) => {
    await expect(testQuirk(quirk, given)).rejects.toThrow(why);
  });

  it('is what the bundled quirk of a sample passes', async () => {
    const own = tg3.sets.flatMap(({ registers }) => registers);
    const accesses = own.flatMap(({ offset, width, claims }): DeclaredAccess[] => {
      const all = claims.reduce((mask, claim) => (mask | claim.mask) >>> 0, 0);
      const size = (width / 8) as 1 | 2 | 4;
      return [all, 0].map((value) => ({ write: offset, size, value, outcome: 'accepted', shows: value }));
    });
    const { opened } = await testQuirk(tg3, { ...terms(accesses), dump: 'tg3' });
    expect(opened).toBe(11 * 32);
  });
});

describe('from a trace to a quirk whose test passes, without a line written by hand', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'pciback-test-quirk-'));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  const read = (offset: string, size: number, value: string): string =>
    `77@1700000000.000001:vfio_pci_read_config  (0000:65:00.0, @0x${offset}, len=0x${size}) 0x${value}`;
  const write = (offset: string, size: number, value: string): string =>
    `77@1700000000.000002:vfio_pci_write_config  (0000:65:00.0, @0x${offset}, 0x${value}, len=0x${size})`;
  const trace = [
    read('0', 4, '56781234'),
    read('4', 4, '100000'),
    read('8', 4, '2000001'),
    read('c', 4, '0'),
    read('34', 1, '0'),
    'vfio_msi_setup 0000:65:00.0 PCI MSI CAP @0x50',
    read('e8', 2, '100'),
    write('e8', 2, '103'),
    read('e8', 2, '103'),
    write('f0', 4, 'cafe'),
    write('f4', 1, '80'),
    write('4', 2, '7'),
  ].join('\n');

  it('of a driver that writes three registers of its vendor', async () => {
    writeFileSync(join(home, 'trace.log'), trace);
    writeFileSync(join(home, 'pciback.config.json'), '{}');
    const session = commandContext({ config: join(home, 'pciback.config.json'), output: join(home, 'nic.json') }, [
      'learn',
      join(home, 'trace.log'),
    ]);
    expect(await runQuirk(session.context)).toBe(0);
    await session.close();
    console.log(session.printed.join('\n').replaceAll(home, '.'));
    expect(session.printed.join()).toContain('3 registers (0xe8 mask 0x3, 0xf0 mask 0xcafe, 0xf4 mask 0x80)');
    const { fields } = JSON.parse(readFileSync(join(home, 'nic.json'), 'utf8')) as { fields: readonly unknown[] };
    expect(fields).toHaveLength(3);
    const { opened, text } = await testQuirk(join(home, 'nic.json'), { session: join(home, 'trace.log') });
    expect(opened).toBe(2 + 11 + 1);
    expect(text).toContain('denies nothing that is needed, allows 14 bits beyond the bundled fields (11 accesses)');
  });

  it('refuses a quirk that lacks a bit of the trace, or has one beyond', async () => {
    writeFileSync(join(home, 'trace.log'), trace);
    const acme = (mask: number) =>
      defineQuirk({
        name: 'acme/nic',
        source: 'x',
        match: ids('1234', ['5678']),
        fields: [
          register(0xe8, 16, 'a').writable(3),
          register(0xf0, 32, 'b').writable(mask),
          register(0xf4, 8, 'c').writable(0x80),
        ],
      });
    await expect(testQuirk(acme(0xcafc), { session: join(home, 'trace.log') })).rejects.toThrow(
      /the session needs bits 0x00000002 of its write of 4 bytes at 0xf0/,
    );
    await expect(testQuirk(acme(0xcaff), { session: join(home, 'trace.log') })).rejects.toThrow(
      /no access uses bits 0x00000001 at 0xf0/,
    );
  });
});
