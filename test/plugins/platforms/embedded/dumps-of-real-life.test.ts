// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { formatBdf } from '../../../../core/bdf.ts';
import { isPcibackError } from '../../../../core/errors/index.ts';
import { createEmbeddedPlatform, limitsOf } from '../../../../plugins/platforms/embedded/index.ts';
import { parseDump } from '../../../../plugins/platforms/embedded/sources.ts';
import { dumpText, registers, rowsOf } from '../../../kit/dump-text.ts';

/** A network card: BAR 0 at 0xe1200000, pin A, the firmware's line 10. */
const card = (...more: (readonly [number, 1 | 2 | 4, number])[]): Uint8Array =>
  registers(256, [
    [0x00, 4, 0x5678_1af3],
    [0x04, 2, 0x0002],
    [0x08, 4, 0x0200_0004],
    [0x10, 4, 0xe120_0000],
    [0x3c, 2, 0x010a],
    ...more,
  ]);
const parse = (text: string) => parseDump(text, 'x.txt');
const only = (text: string) => {
  const [image] = parse(text);
  if (image === undefined) throw new Error('there is no function');
  return image;
};
const refusal = (text: string): string => {
  try {
    parse(text);
  } catch (error) {
    if (isPcibackError(error, 'DUMP_INVALID')) return `line ${error.facts.line}: ${error.facts.why}`;
    throw error;
  }
  return 'accepted';
};

describe('text beside the rows of a dump', () => {
  const rows = rowsOf(card());
  it.each([
    ['a complaint of a library', ['02:00.0 Network', '\tFlags: fast devsel', 'pcilib: cannot open it', ...rows]],
    ['a prompt, a fence and a separator', ['```', '[root@box ~]# lspci -xxx', '02:00.0 Network', ...rows, '--', '```']],
    ['a warning between the rows', ['02:00.0 Network', ...rows.slice(0, 4), 'lspci: warning', ...rows.slice(4)]],
    ['a head line that was broken', ['02:00.0 Network controller: A Company', '[Its Product] (rev 04)', ...rows]],
  ])('%s means nothing', (_, lines) => {
    expect(only(lines.join('\n'))).toMatchObject({ vendor: 0x1af3, device: 0x5678, known: 256 });
  });

  it('the rest of a broken head line has the ids of a virtual function', () => {
    const config = card([0x00, 4, 0xffff_ffff]);
    const image = only(
      dumpText('02:10.1 Network controller: A Company Virtual\nFunction [1af3:5679] (rev 04)', config),
    );
    expect(image).toMatchObject({ vendor: 0x1af3, device: 0x5679, virtualFunction: true });
  });

  it('a damaged row stays an error', () => {
    const cut = rows.map((row, index) => (index === 3 ? row.slice(0, 30) : row));
    expect(refusal(['02:00.0 Network', ...cut].join('\n'))).toBe('line 5: row 30 has 9 of 16 bytes');
    const wrong = rows.map((row, index) => (index === 3 ? row.replace(' 00', ' 0o') : row));
    expect(refusal(['02:00.0 Network', ...wrong].join('\n'))).toContain('not a row of 16 bytes');
    expect(refusal('nothing of a dump\n')).toBe('line 2: no device in it');
  });
});

describe('a hex dump of a config file', () => {
  const config = card([0x3d, 1, 1]);
  const words = (row: number, width: number): Uint8Array[] =>
    Array.from({ length: 16 / width }, (_, at) => config.subarray(16 * row + at * width, 16 * row + (at + 1) * width));
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const rows = Array.from({ length: 16 }, (_, row) => row);
  const offset = (row: number, digits: number): string => (16 * row).toString(16).padStart(digits, '0');
  const forms = {
    xxd: rows.map((row) => `${offset(row, 8)}: ${words(row, 2).map(text).join(' ')}  ................`),
    'xxd -g1': rows.map((row) => `${offset(row, 8)}: ${words(row, 1).map(text).join(' ')}  ...x..: .........`),
    'hexdump -C': [
      ...rows.map((row) => {
        const bytes = words(row, 1).map(text);
        return `${offset(row, 8)}  ${bytes.slice(0, 8).join(' ')}  ${bytes.slice(8).join(' ')}  |................|`;
      }),
      '00000100',
    ],
    hexdump: [
      ...rows.map((row) => {
        const little = words(row, 2).map((pair) => text(Uint8Array.from(pair).reverse()));
        return `${offset(row, 7)} ${little.join(' ')}`;
      }),
      '0000100',
    ],
    'od -A x -t x1': [...rows.map((row) => `${offset(row, 6)} ${words(row, 1).map(text).join(' ')}`), '000100'],
  };

  it.each(Object.entries(forms))('by %s is a function', (_, lines) => {
    const [image] = parseDump(lines.join('\n'), '/tmp/0000:02:00.0-config.txt');
    expect(image).toMatchObject({ vendor: 0x1af3, device: 0x5678, known: 256, virtualFunction: false });
    expect(image && formatBdf(image.bdf)).toBe('0000:02:00.0');
  });

  it.each(['hexdump -C', 'hexdump'] as const)('by %s has equal rows left out', (form) => {
    const all = forms[form];
    const short = [...all.slice(0, 5), '*', all.at(-1) ?? ''];
    expect(only(short.join('\n')).config).toEqual(only(all.join('\n')).config);
  });

  it('may stand below a head line, and is at 00:00.0 where nothing tells its address', () => {
    expect(formatBdf(only(['04:00.1 Network', ...forms.xxd].join('\n')).bdf)).toBe('0000:04:00.1');
    expect(formatBdf(only(forms.xxd.join('\n')).bdf)).toBe('0000:00:00.0');
  });

  it('with a damaged or a missing row is refused', () => {
    const damaged = forms.xxd.map((row, at) => (at === 2 ? row.replace(': 00', ': 0') : row));
    expect(refusal(damaged.join('\n'))).toContain('line 3');
    expect(refusal(forms.xxd.filter((_, at) => at !== 2).join('\n'))).toBe('line 3: row 30 where row 20 is due');
  });
});

describe('a function that does not answer', () => {
  const ones = new Uint8Array(256).fill(0xff);
  const text = dumpText('02:00.0 Network', card()) + dumpText('02:01.0 Reader (rev ff) (prog-if ff)', ones);

  it('is listed beside the others, and seizing it says what is the matter', async () => {
    const platform = createEmbeddedPlatform({ devices: parse(text) });
    const listed = await platform.pci.list();
    expect(listed.map(({ bdf }) => formatBdf(bdf))).toEqual(['0000:02:00.0', '0000:02:01.0']);
    const [good, silent] = listed.map(({ bdf }) => bdf) as [never, never];
    await expect(platform.pci.seize(silent)).rejects.toMatchObject({ code: 'DEVICE_SILENT' });
    await platform.pci.seize(good);
    await platform.close();
  });

  it('is no limit of the dump', () => {
    expect(limitsOf(parse(dumpText('02:01.0 Reader', new Uint8Array(64).fill(0xff))))).toEqual([]);
  });
});

describe('addresses that the register does not show', () => {
  const part = ({ start, size, flags }: { start: bigint; size: bigint; flags: number }) =>
    `${start.toString(16)}/${size} ${(flags & 0xf_ffff).toString(16)}`;
  const shown = (text: string): Record<number, string> =>
    Object.fromEntries(
      only(text).resources.flatMap((one, index) => (one.size === 0n ? [] : [[index, part(one)] as const])),
    );
  const virtual = registers(256, [
    [0x00, 4, 0xffff_ffff],
    [0x06, 2, 0x0010],
    [0x08, 4, 0x0200_0000],
    [0x34, 1, 0x70],
    [0x70, 4, 0x0001_0011],
    [0x74, 4, 0x0000_0004],
    [0x78, 4, 0x0000_0804],
  ]);
  const head = '05:02.0 Network [0200]: A Company Virtual Function [1af3:9999]';

  it('are those of a virtual function, with their kinds', () => {
    const told = [
      '\tRegion 0: [virtual] Memory at 90800000 (64-bit, non-prefetchable) [size=8K]',
      '\tRegion 4: [virtual] Memory at 4090000000 (64-bit, prefetchable) [size=32K]',
    ];
    expect(shown(dumpText(head, virtual, told))).toEqual({ 0: '90800000/8192 204', 4: '4090000000/32768 220c' });
    expect(only(dumpText(head, virtual, told)).resources[4]?.flags).toBe(0x10_220c);
  });

  it('are found a BAR where the dump has no numbers: the last one is that of the MSI-X table', () => {
    const told = [
      '\tMemory at 90800000 (64-bit, non-prefetchable) [virtual] [size=8K]',
      '\t[virtual] Memory at 4090000000 (64-bit, prefetchable) [size=32K]',
    ];
    expect(Object.keys(shown(dumpText(head, virtual, told)))).toEqual(['0', '4']);
  });

  const ports = card([0x08, 4, 0x0101_8a02], [0x10, 4, 1], [0x14, 4, 1], [0x18, 4, 0], [0x20, 4, 0xc001]);
  const compatible = [
    '\tRegion 0: [virtual] I/O ports at 01f0 [size=8]',
    '\tRegion 1: [virtual] I/O ports at 03f0 [size=1]',
    '\tRegion 2: [virtual] I/O ports at 0170 [size=8]',
    '\tRegion 4: I/O ports at c000 [size=16]',
  ];
  it.each([
    ['with numbers', compatible],
    ['without', compatible.map((line) => line.replace(/Region \d: /, ''))],
  ])('are those of IDE in compatibility mode, %s', (_, told) => {
    expect(shown(dumpText('00:1f.1 IDE', ports, told))).toEqual({
      0: '1f0/8 111',
      1: '3f0/1 111',
      2: '170/8 111',
      4: 'c000/16 101',
    });
  });

  it('of a BAR that was moved are the kernel’s, and the model’s register keeps its own', () => {
    const told = ['\tRegion 0: Memory at e4000000 (32-bit, non-prefetchable) [size=64K]'];
    expect(shown(dumpText('02:00.0 Network', card(), told))).toEqual({ 0: 'e4000000/65536 210' });
  });
});

describe('a register of all ones', () => {
  it('is no address: neither of the ROM nor of a BAR', () => {
    const config = card([0x30, 4, 0xffff_ffff], [0x14, 4, 0xffff_ffff]);
    const sizes = only(dumpText('02:00.0 Network', config)).resources.map(({ size }) => size > 0n);
    expect(sizes).toEqual([true, false, false, false, false, false, false]);
  });
});

describe('extended space', () => {
  const express = [
    [0x06, 2, 0x0010],
    [0x34, 1, 0x40],
    [0x40, 4, 0x0002_0010],
  ] as const;
  const long = (config: Uint8Array, extended: (at: number) => number): Uint8Array =>
    Uint8Array.from({ length: 4096 }, (_, at) => (at < 256 ? (config[at] ?? 0) : extended(at)));
  const size = (config: Uint8Array): number => only(dumpText('02:00.0 Network', config)).config.length;
  const header = [0x03, 0x00, 0x01, 0x00];

  it('is there for a function of PCI Express', () => {
    expect(size(long(card(...express), (at) => header[at - 256] ?? 0))).toBe(4096);
  });
  it('is not there for another one', () => {
    expect(size(long(card(), (at) => header[at - 256] ?? 0))).toBe(256);
  });
  it('is not there where the first 256 bytes are seen again', () => {
    const config = card(...express);
    expect(size(long(config, (at) => config[at & 0xff] ?? 0))).toBe(256);
  });
  it('is not there where it reads ones', () => {
    expect(size(long(card(...express), () => 0xff))).toBe(256);
  });
  it('is there for PCI-X at 266 MHz, not at 133', () => {
    const conventional = (status: number) =>
      card([0x06, 2, 0x0010], [0x34, 1, 0x40], [0x40, 2, 0x0007], [0x44, 4, status]);
    expect(size(long(conventional(0x4000_0000), (at) => header[at - 256] ?? 0))).toBe(4096);
    expect(size(long(conventional(0x0002_0000), (at) => header[at - 256] ?? 0))).toBe(256);
  });
});

describe('the line of a dumped function', () => {
  const line = (told: readonly string[], ...more: (readonly [number, 1 | 2 | 4, number])[]): number =>
    only(dumpText('02:03.0 Network', card(...more), told)).line;

  it('is the one that the dump tells', () => {
    expect(line(['\tInterrupt: pin A routed to IRQ 37'])).toBe(37);
    expect(line(['\tFlags: bus master, fast devsel, latency 0, IRQ 300'])).toBe(300);
  });
  it('is never the old interrupt controller’s that firmware wrote', () => {
    expect(line([])).toBe(19);
    expect(line(['\tInterrupt: pin A routed to IRQ 10'])).toBe(19);
    expect(line([], [0x3d, 1, 2])).toBe(16);
    expect(line([], [0x3c, 1, 21])).toBe(21);
  });
  it('is none where there is no pin, or nothing is connected', () => {
    expect(line([], [0x3d, 1, 0])).toBe(0);
    expect(line([], [0x3c, 1, 0xff])).toBe(0);
    expect(line(['\tInterrupt: pin A routed to IRQ 255'])).toBe(0);
    expect(line(['\tInterrupt: pin A routed to IRQ -2147483648'])).toBe(0);
  });
});

describe('what is said of a dump', () => {
  it('of 64 bytes is how to make a better one', () => {
    expect(limitsOf(parse(dumpText('02:00.0 Network', card().subarray(0, 64))))).toEqual([
      'only 64 bytes of config space are in the dump (0000:02:00.0): make it with lspci -xxxx, as root',
    ]);
  });
  it('of 256 bytes of a function of PCI Express is that the extended capabilities are missing', () => {
    const express = card([0x06, 2, 0x0010], [0x34, 1, 0x40], [0x40, 4, 0x0002_0010]);
    expect(limitsOf(parse(dumpText('02:00.0 Network', express)))).toEqual([
      expect.stringContaining('no extended capabilities (0000:02:00.0)'),
    ]);
    expect(limitsOf(parse(dumpText('02:00.0 Network', card())))).toEqual([]);
  });
  it('with a segment that no Xen interface can name is that the function is left out', () => {
    const notes: string[] = [];
    const text = dumpText('10000:e1:00.0 Disk', card()) + dumpText('02:00.0 Network', card());
    const images = parseDump(text, 'x.txt', (line) => notes.push(line));
    expect(images.map(({ bdf }) => formatBdf(bdf))).toEqual(['0000:02:00.0']);
    expect(notes).toEqual([expect.stringMatching(/segment above ffff: 10000:e1:00\.0$/)]);
  });
});
