// SPDX-License-Identifier: MIT

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { formatBdf, hex } from '../../../core/bdf.ts';
import { painter } from '../../../plugins/observe/explain-report.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { build, type Ended, type Running, run, start, unfolded } from '../commands/built.ts';

vi.setConfig({ testTimeout: 60_000 });

const nic = formatBdf(sample('e1000e').bdf);
let home = '';
let daemon: Running;

const dump = (): string => {
  const { config, bdf } = sample('e1000e');
  const rows = Array.from({ length: config.length / 16 }, (_, row) => {
    const cells = [...config.subarray(row * 16, row * 16 + 16)].map((byte) => hex(byte, 2));
    return `${hex(row * 16, 2)}: ${cells.join(' ')}`;
  });
  return `${formatBdf(bdf).slice(5)} Ethernet controller: a network card\n${rows.join('\n')}\n`;
};

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'pciback-explain-'));
  build();
  const rc = { fields: 'kernel', embedded: { devices: ['samples'] }, control: 'run/control.sock' };
  writeFileSync(join(home, 'pciback.config.json'), JSON.stringify(rc));
  writeFileSync(join(home, 'nic.txt'), dump());
  const fields = [{ offset: '0x108', width: 32, name: 'error mask', writable: '0x00100000' }];
  const quirk = { name: 'acme/nic', source: 'a data sheet', match: [{ vendor: '8086', device: '10d3' }], fields };
  writeFileSync(join(home, 'nic.json'), JSON.stringify(quirk));
  daemon = start(['serve', '--record', 'recordings'], home);
  await daemon.printed('included guest is up');
}, 180_000);
/**
 * Checks the captures in a page: each `console` block behind `<!-- capture -->` is what its command prints. With
 * `UPDATE_REFERENCE=1` it is pasted anew. Times differ from run to run, paths are those of this test.
 */
const checkCaptures = async (page: string): Promise<number> => {
  const file = resolve(import.meta.dirname, '../../../docs', page);
  const text = readFileSync(file, 'utf8');
  const capture = /(<!-- capture -->\n```console\n\$ pciback (.*)\n)([\s\S]*?)```/g;
  const blocks = [...text.matchAll(capture)];
  const alike = (output: string): string => output.replaceAll(/\d+\.\d\d ms/g, '<time>');
  const printed: string[] = [];
  for (const [, , words = '', before = ''] of blocks) {
    const { out, err } = await run(words.split(' '), home);
    const after = `${out}${err}`.replaceAll(home, '/etc/pciback').replaceAll(/ +$/gm, '');
    printed.push(after);
    if (process.env.UPDATE_REFERENCE !== '1') expect(alike(after), words).toBe(alike(before));
  }
  if (process.env.UPDATE_REFERENCE === '1') {
    writeFileSync(
      file,
      text.replaceAll(capture, (_block, head: string) => `${head}${printed.shift() ?? ''}\`\`\``),
    );
  }
  return blocks.length;
};

afterAll(async () => {
  daemon.signal('SIGTERM');
  await daemon.end;
  rmSync(home, { recursive: true });
});

const pciback = (...words: string[]): Promise<Ended> => run(words, home);
const fine = async (...words: string[]): Promise<string> => {
  const { status, out, err } = await pciback(...words);
  expect({ status, err }).toEqual({ status: 0, err: '' });
  return unfolded(out);
};

describe('explain, of a running pciback', () => {
  it('shows every register with its owner, and the refused writes', async () => {
    const out = await fine('explain', nic);
    expect(out).toMatch(/^0000:01:00\.0 {2}8086:10d3 {2}guest 1 \(included\), 4096 bytes/);
    expect(out).toMatch(/0x04\.\.0x05 +header +fields\/header: header \/ command: function 16/);
    expect(out).toMatch(/0x108 +4 bytes +0x00100000 +0x00100000 +1x +policy: drop: no field claims these bits/);
  });

  it('shows bits: owner, read and write', async () => {
    const out = await fine('explain', nic, '0xcc:2');
    expect(out).toMatch(/0xcc, 2 bytes: read (once|\d+ times), written (once|\d+ times), denied never/);
    expect(out).toMatch(/bit 15 +fields\/power: .* write: a one goes to hardware/);
    expect(out).toMatch(/bits 1:0 +fields\/power: .* write: the host makes the transition/);
    expect(await fine('explain', nic, '108:4')).toMatch(/bits 31:0 +policy: drop .*refused: no field/);
  });

  it('prints the record of refused writes, with what is not in it', async () => {
    const out = await fine('explain', nic, '--denied');
    expect(out).toMatch(/guest 1 \(included\): \d+ distinct refused writes/);
    expect(out).toMatch(/latency timer: read-only/);
    expect(out).toMatch(/\d+ refused writes of this guest, to any device; every one is in the record/);
  });

  it('draws a map in plain ASCII, every byte once', async () => {
    const out = await fine('explain', nic, '--map');
    expect(out).not.toMatch(/[^\x20-\x7e\n]/);
    expect(out.match(/^0[0-9a-f]0 {3}/gm)).toHaveLength(16);
    expect(out).toMatch(/^000 {3}Hr Hr Hr Hr Hw Hw /m);
    expect(out).toMatch(/^100 {3}rrrr....../m);
    const counts = /bytes: (\d+) only read, (\d+) written, (\d+) denied, (\d+) untouched/.exec(out) ?? [];
    expect(counts.slice(1).reduce((sum, one) => sum + Number(one), 0)).toBe(4096);
  });

  it('prints JSON', async () => {
    const bits = JSON.parse(await fine('explain', nic, '0x04:2', '--json')) as { parts: unknown[]; wouldBe: boolean };
    expect(bits).toMatchObject({ bdf: nic, wouldBe: false, parts: [{ offset: 4, size: 2, bits: [{ high: 15 }] }] });
    const map = JSON.parse(await fine('explain', nic, '--map', '--json')) as { map: { kinds: string } };
    expect(map.map.kinds).toHaveLength(4096);
    expect(JSON.parse(await fine('explain', nic, '--denied', '--json'))).toMatchObject({ unrecorded: 0 });
  });

  it.each<[string[], string, RegExp]>([
    [['explain'], 'USAGE', /bdf/],
    [['explain', 'zz'], 'BDF_SYNTAX', /zz/],
    [['explain', nic, '0xe8:x'], 'USAGE', /"0xe8:x" is not OFFSET/],
    [['explain', nic, '0xfff:2'], 'USAGE', /not inside of the 4096 bytes/],
    [['explain', '7f:00.0'], 'DEVICE_NOT_SEIZED', /7f:00\.0/],
    [['quirk', 'lod', 'x'], 'USAGE', /"lod".*"load"/],
    [['quirk', 'load'], 'USAGE', /needs a file or a text/],
    [['quirk', 'load', 'none.json'], 'PLUGIN_UNKNOWN', /none\.json/],
    [['quirk', 'load', `${nic}-10:4:ffffffff`], 'FIELD_OVERLAP', /BAR 0/],
    [['quirk', 'load', `${nic}-e8:3:1`], 'QUIRK_INVALID', /SIZE/],
    [['quirk', 'unload', 'broadcom/tg'], 'QUIRK_UNKNOWN', /no quirk "broadcom\/tg" is loaded\. .*"broadcom\/tg3"/],
    [['quirk', 'unload', './nic.json'], 'QUIRK_UNKNOWN', /no loaded quirk is from \/\S+\/nic\.json/],
    [['quirk', 'learn', 'none.jsonl'], 'FILE_UNREADABLE', /none\.jsonl/],
    [
      ['quirk', 'list', '--control', 'no/such.sock'],
      'CONTROL_UNREACHABLE',
      /no pciback answers at \S+no\/such\.sock: nobody listens there/,
    ],
  ])('%j ends with an error', async (words, code, text) => {
    const { status, out, err } = await pciback(...words);
    expect(err).toMatch(new RegExp(`^error ${code}: `));
    expect(err).toMatch(text);
    expect(err).toMatch(/\n {2}next: .{10,}\n$/);
    expect({ status, out }).toEqual({ status: code === 'USAGE' ? 2 : 1, out: '' });
  });
});

describe('quirk, at a running pciback', () => {
  it('loads, lists and unloads a file while the guest runs', async () => {
    expect(await fine('quirk', 'load', 'nic.json', '--device', '01:00.0')).toMatch(
      /^acme\/nic loaded: in force for 1 assigned devices, \d+\.\d\d ms\n$/,
    );
    expect(await fine('quirk', 'list')).toMatch(/acme\/nic +\S+nic\.json +0000:01:00\.0/);
    expect(await fine('explain', nic, '0x108:4')).toMatch(/bit 20 +acme\/nic: .*write: goes to hardware/);
    expect(await fine('quirk', 'unload', 'acme/nic')).toMatch(/^acme\/nic unloaded: in force for 1 /);
    expect(await fine('explain', nic, '0x108:4')).not.toMatch(/acme/);
  });

  it('takes the kernel’s text', async () => {
    const out = await fine('quirk', 'load', '01:00.0-108:4:00100000', '--json');
    const { names } = JSON.parse(out) as { names: string[] };
    expect(await fine('explain', nic, '0x108:4')).toMatch(/bit 20 +text\/0000:01:00\.0-0108:4:00100000: /);
    await fine('quirk', 'unload', names[0] ?? '');
  });
});

describe('without a running pciback', () => {
  const offline = () => ['--dump', 'nic.txt'];

  it('shows what a guest would get', async () => {
    const out = await fine('explain', nic, '0xcc:2', ...offline());
    expect(out).toMatch(/^no pciback was asked: this is what a guest would get\n/);
    expect(out).toMatch(/bits 1:0 +fields\/power/);
    expect(await fine('explain', nic, '--map', ...offline())).toMatch(
      /0 only read, 0 written, 0 denied, 4096 untouched/,
    );
    expect(await fine('explain', nic, '--denied', ...offline())).toMatch(/0 distinct refused writes/);
  });

  it('shows another preset', async () => {
    const kernel = await fine('explain', nic, '0xe8:2', ...offline(), '--fields', 'kernel');
    const full = await fine('explain', nic, '0xe8:2', ...offline(), '--fields', 'full');
    expect(kernel).toMatch(/policy: drop/);
    expect(full).toMatch(/fields\/pcie/);
  });

  it('names a device that is not there', async () => {
    const { err, status } = await pciback('explain', '7f:00.0', ...offline());
    expect(err).toMatch(/^error DEVICE_NOT_FOUND: .*7f:00\.0/);
    expect(status).toBe(1);
  });
});

describe('quirk learn', () => {
  it('makes a quirk from the session that serve --record wrote, and that quirk loads', async () => {
    const directory = join(home, 'session');
    mkdirSync(directory);
    writeFileSync(
      join(directory, 'pciback.config.json'),
      JSON.stringify({ fields: 'kernel', embedded: { devices: ['samples'] }, control: false }),
    );
    const recorder = start(['serve', '--record', 'recordings'], directory);
    await recorder.printed('included guest is up');
    recorder.signal('SIGTERM');
    expect((await recorder.end).status).toBe(0);
    const recording = join(directory, `recordings/guest-1-${nic.replaceAll(':', '-')}.jsonl`);
    copyFileSync(recording, join(home, 'session.jsonl'));
    expect(await checkCaptures('vendors/learn.md')).toBeGreaterThan(2);
    const out = await fine('quirk', 'learn', recording, '-o', 'learned.ts');
    expect(out).toMatch(/^learned\.ts: 1 registers \(0x108 mask 0x100000\)\n$/);
    expect(readFileSync(join(home, 'learned.ts'), 'utf8')).toMatch(/\/\/ 0x108: 4-byte write/);
    await fine('quirk', 'load', 'learned.ts');
    expect(await fine('explain', nic, '0x108:4')).toMatch(/bit 20 +learned\/8086-10d3: /);
    await fine('quirk', 'unload', 'learned/8086-10d3');
    const { err } = await pciback('quirk', 'learn', recording, '-o', 'learned.txt');
    expect(err).toMatch(/\.ts or \.json, not "\.txt"/);
    expect(
      JSON.parse(
        await fine('quirk', 'learn', recording, '-o', 'l.json').then(() => readFileSync(join(home, 'l.json'), 'utf8')),
      ),
    ).toMatchObject({ name: 'learned/8086-10d3' });
  });
});

describe('the captures in the docs', () => {
  it('of explaining and loading are true', async () => {
    expect(await checkCaptures('operators/explain.md')).toBeGreaterThan(5);
  });
});

describe('colours', () => {
  it('are by kind, denied ones red; plain has none', () => {
    const previous = process.env.FORCE_COLOR;
    process.env.FORCE_COLOR = '1';
    const paint = painter('colours');
    const cells = [
      paint('Hr', 'H', 'r'),
      paint('Cr', 'C', 'r'),
      paint('Qr', 'Q', 'r'),
      paint('Hd', 'H', 'd'),
      paint('..', '.', '.'),
    ];
    if (previous === undefined) delete process.env.FORCE_COLOR;
    else process.env.FORCE_COLOR = previous;
    expect(new Set(cells.slice(0, 4).map((one) => one.slice(0, 6))).size).toBeGreaterThan(2);
    expect(painter('plain')('Hd', 'H', 'd')).toBe('Hd');
  });
});
