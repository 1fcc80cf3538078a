// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runQuirk } from '../../../plugins/observe/quirk-run.ts';
import { commandContext } from '../../kit/command-context.ts';
import { dumpText, registers } from '../../kit/dump-text.ts';

let home: string;
const at = (name: string): string => join(home, name);
const write = (name: string, text: string): void => writeFileSync(at(name), text);
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-dev-'));
  write('pciback.config.json', '{}');
});
afterEach(() => rmSync(home, { recursive: true }));

const quirk = (device: string, more: object = {}): string =>
  JSON.stringify({
    name: 'acme/nic',
    source: 'ACME 1234 data sheet',
    match: [{ vendor: '1234', device }],
    fields: [{ offset: '0xe8', width: 16, name: 'device control', writable: '0x000f' }],
    ...more,
  });

const nic = (address = '0000:03:00.0', device = 0x5678): string =>
  dumpText(
    `${address} 0200: 1234:${device.toString(16)}`,
    registers(256, [
      [0x00, 2, 0x1234],
      [0x02, 2, device],
      [0x0a, 2, 0x0200],
      [0xe8, 2, 0x0100],
    ]),
  );

/** Runs the command. @returns status and lines */
const dev = async (options: object, ...words: readonly string[]): Promise<[status: number, lines: string]> => {
  const session = commandContext({ config: at('pciback.config.json'), ...options }, ['dev', ...words]);
  try {
    return [await runQuirk(session.context), session.printed.join('\n')];
  } finally {
    await session.close();
  }
};

describe('pciback quirk dev with a dump', () => {
  it('shows for whom the quirk is, each access, the fate of each bit and what is left to use', async () => {
    write('nic.txt', nic());
    write('nic.json', quirk('5678'));
    write('script.txt', 'w e8 2 0103\nexpect accepted\nexpect 0103\nr e8 2\nexpect 0103\nw f0 4 1\nexpect denied 1\n');
    const [status, lines] = await dev({ dump: [at('nic.txt')], writes: at('script.txt') }, at('nic.json'));
    expect(lines).toMatch(/nic\.json on 1234:5678 at 0000:03:00\.0\n {2}acme\/nic: acme\/nic: in force/);
    expect(lines).toMatch(/script\.txt, plain: 3 accesses/);
    expect(lines).toMatch(
      /0x0e8:2 = 0103\n +000f to hardware \(acme\/nic: acme\/nic \/ device control\)\n +fff0 dropped/,
    );
    expect(lines).toMatch(/0x0e8:2 reads 0103 \(bits 000f of the quirk\)/);
    expect(lines).toMatch(/0x0f0:4 = 00000001, refused 00000001/);
    expect(lines).toMatch(/2 writes, 1 of them with refused bits; 1 reads$/m);
    expect(lines).toMatch(/bits of the quirk that no access used\n {2}0x0e8:4 0000000c/);
    expect(status).toBe(0);
  });

  it('says what was expected and did not come, and ends with 1', async () => {
    write('nic.txt', nic());
    write('nic.json', quirk('5678'));
    write('script.txt', 'w e8 2 0113\nexpect accepted\nexpect 0113\nr e8 2\nexpect 7\nw e8 2 3\nexpect denied\n');
    const [status, lines] = await dev({ dump: [at('nic.txt')], writes: at('script.txt') }, at('nic.json'));
    expect(lines).toMatch(/! line 2: bits 0x0010 were refused\n +! line 3: expected 0x0113, it shows 0x0103/);
    expect(lines).toMatch(/! line 5: expected 0x0007, it shows 0x0103/);
    expect(lines).toMatch(/3 expectations were not met/);
    expect(status).toBe(1);
  });

  it('says why it is not for the device', async () => {
    write('nic.txt', nic('0000:03:00.0', 0x5679));
    write('nic.json', quirk('5678'));
    const [status, lines] = await dev({ dump: [at('nic.txt')] }, at('nic.json'));
    expect(lines).toContain('acme/nic is not for this device: its device is 5679, not 5678');
    expect(status).toBe(1);
  });

  it('says which set is left out, and who has its bits', async () => {
    const fields = [
      {
        capability: '0x10',
        name: 'express',
        registers: [{ offset: '0x08', width: 16, name: 'control', writable: '0x0001' }],
      },
    ];
    write(
      'nic.json',
      quirk('5678', {
        match: [{ vendor: '8086', device: '10d3' }],
        fields: [...fields, { offset: '0xea', width: 16, name: 'status', writable: '0x000f' }],
      }),
    );
    const [status, lines] = await dev({ dump: ['e1000e'] }, at('nic.json')).catch(
      (error: Error) => [1, error.message] as const,
    );
    expect(lines).toMatch(/fields\/pcie: pcie \/ device/);
    expect(status).toBe(1);
  });

  it('says of an access that the device has no place for that it was not made', async () => {
    write('nic.txt', nic());
    write('nic.json', quirk('5678'));
    write('script.txt', 'setpci -s 03:00.0 CAP09+4.l=1 e8.w=0103');
    const [status, lines] = await dev({ dump: [at('nic.txt')], writes: at('script.txt') }, at('nic.json'));
    expect(lines).toMatch(/^ {2}CAP09\+4:4 write: not made, the device has no CAP09$/m);
    expect(lines).toMatch(/^1 writes, 0 of them with refused bits; 0 reads; 1 accesses could not be made$/m);
    expect(status).toBe(1);
  });

  it('gives the nearest sample for a name that is none', async () => {
    write('nic.json', quirk('5678'));
    await expect(dev({ dump: ['e1000'] }, at('nic.json'))).rejects.toThrow(/Perhaps you meant "e1000e"/);
  });

  it.each([
    ['nothing', [], {}, /needs the file of a quirk, or --guest/],
    ['no dump', ['nic.json'], {}, /needs --dump/],
    ['two dumps', ['nic.json'], { dump: ['a', 'b'] }, /needs --dump: one dump/],
    [
      'a dump that is not there',
      ['nic.json'],
      { dump: ['gone.txt'] },
      /there is no dump .*gone\.txt, and no sample of that name \(root-port, e1000e, /,
    ],
    [
      'a device that the dump has not',
      ['nic.json'],
      { dump: ['two.txt'], device: ['09:00.0'] },
      /0000:03:00\.0, 0000:04:00\.0|no PCI function/,
    ],
    [
      'several devices',
      ['nic.json'],
      { dump: ['two.txt'] },
      /choose one with --device, of 0000:03:00\.0, 0000:04:00\.0/,
    ],
    ['a script that is not there', ['nic.json'], { dump: ['nic.txt'], writes: 'gone' }, /gone cannot be read/],
    ['a plain mistake', ['nic.json'], { dump: ['nic.txt'], writes: 'bad.txt' }, /bad\.txt, line 1: write "w OFFSET/],
    ['a quirk that is none', ['bad.json'], { dump: ['nic.txt'] }, /bad\.json/],
    ['--watch in a guest', ['nic.json'], { dump: ['nic.txt'], guest: 'linux', watch: true }, /leave --guest out/],
  ] as const)('refuses %s', async (_, words, options, reason) => {
    write('nic.txt', nic());
    write('two.txt', nic() + nic('0000:04:00.0'));
    write('nic.json', quirk('5678'));
    write('bad.json', '{ "name": 1 }');
    write('bad.txt', 'poke e8');
    const placed = Object.fromEntries(
      Object.entries(options).map(([key, value]) => {
        if (key === 'dump') return [key, (value as readonly string[]).map(at)];
        return [key, key === 'writes' ? at(value as string) : value];
      }),
    );
    await expect(dev(placed, ...words.map(at))).rejects.toThrow(reason);
  });

  it('runs again on every save, also of what the quirk imports, and goes on after a mistake', async () => {
    write('nic.txt', nic());
    const text = `import { mask } from './mask.mjs';
import { defineQuirk, ids, register } from 'pciback/quirk';
export default defineQuirk({ name: 'acme/nic', source: 'x', match: ids('1234', ['5678']),
  fields: [register(0xe8, 16, 'control').writable(mask)] });`;
    write('nic.ts', text);
    write('mask.mjs', 'export const mask = 0x0f;');
    let stop: (signal: string) => void = () => undefined;
    const { context, printed, close } = commandContext(
      { config: at('pciback.config.json'), dump: [at('nic.txt')], watch: true },
      ['dev', at('nic.ts')],
    );
    const stopping = new Promise<string>((resolve) => {
      stop = resolve;
    });
    const running = runQuirk(Object.defineProperty({ ...context }, 'stop', { get: () => stopping }));
    const waiting = (times: number) =>
      expect.poll(() => printed.filter((line) => /^waiting for/.test(line))).toHaveLength(times);
    await waiting(1);
    expect(printed.join('\n')).toContain('0x0e8:4 0000000f writable');
    write('mask.mjs', 'export const mask = 0xf0;');
    await waiting(2);
    expect(printed.join('\n')).toContain('0x0e8:4 000000f0 writable');
    write('nic.ts', 'export default {');
    await waiting(3);
    expect(printed.join('\n')).toContain('error PLUGIN_LOAD');
    write('nic.ts', text.replace('0xe8', '0xec'));
    await waiting(4);
    expect(printed.join('\n')).toContain('0x0ec:4 000000f0 writable');
    stop('SIGINT');
    expect(await running).toBe(0);
    await close();
  });
});

describe('pciback quirk dev --watch', () => {
  it('runs again for a save that comes while the report is printed', async () => {
    write('nic.txt', nic());
    const text = (mask: string) => `import { defineQuirk, ids, register } from 'pciback/quirk';
export default defineQuirk({ name: 'acme/nic', source: 'x', match: ids('1234', ['5678']),
  fields: [register(0xe8, 16, 'control').writable(${mask})] });`;
    write('nic.ts', text('0x0f'));
    const { context, printed, close } = commandContext(
      { config: at('pciback.config.json'), dump: [at('nic.txt')], watch: true },
      ['dev', at('nic.ts')],
    );
    let stop: (signal: string) => void = () => undefined;
    const stopping = new Promise<string>((resolve) => {
      stop = resolve;
    });
    const print = (line: string): void => {
      printed.push(line);
      if (line.includes('0000000f writable')) write('nic.ts', text('0x0fff'));
    };
    const running = runQuirk(Object.defineProperty({ ...context, print }, 'stop', { get: () => stopping }));
    await expect.poll(() => printed.join('\n')).toContain('0x0e8:4 00000fff writable');
    stop('SIGINT');
    expect(await running).toBe(0);
    await close();
  });
});

/** A driver on a KVM host: it finds the device, then writes three of its own registers and a bit that a field has. */
const trace = [
  ...[
    ['@0x0, len=0x2) 0x1234'],
    ['@0x2, len=0x2) 0x5678'],
    ['@0x4, len=0x4) 0x0'],
    ['@0x8, len=0x4) 0x2000000'],
    ['@0xe, len=0x1) 0x0'],
    ['@0x40, len=0x4) 0x100'],
  ].map(([rest]) => `77@1.5:vfio_pci_read_config  (0000:65:00.0, ${rest}`),
  '77@1.6:vfio_pci_write_config  (0000:65:00.0, @0x40, 0x103, len=0x4)',
  '77@1.6:vfio_pci_read_config  (0000:65:00.0, @0x40, len=0x4) 0x103',
  '77@1.6:vfio_pci_write_config  (0000:65:00.0, @0x40, 0x107, len=0x4)',
  '77@1.6:vfio_pci_write_config  (0000:65:00.0, @0x48, 0x8000, len=0x2)',
  '77@1.6:vfio_pci_write_config  (0000:65:00.0, @0x4d, 0x55, len=0x1)',
  '77@1.6:vfio_pci_write_config  (0000:65:00.0, @0xd, 0x40, len=0x1)',
].join('\n');

describe('pciback quirk learn with a trace of QEMU', () => {
  const learn = async (options: object, file: string): Promise<string> => {
    const session = commandContext({ config: at('pciback.config.json'), ...options }, ['learn', at(file)]);
    try {
      expect(await runQuirk(session.context)).toBe(0);
      return session.printed.join('\n');
    } finally {
      await session.close();
    }
  };

  it('opens the bits that the driver changed and nobody has, and says who has the others', async () => {
    write('trace.log', trace);
    const text = await learn({}, 'trace.log');
    expect(text).toMatch(/register\(0x40, 32, 'register 0x40'\)\.writable\(0x00000007\)/);
    expect(text).toMatch(/register\(0x48, 16, 'register 0x48'\)\.writable\(0x8000\)/);
    expect(text).toMatch(/register\(0x4d, 8, 'register 0x4d'\)\.writable\(0x55\)/);
    expect(text.match(/ register\(/g)).toHaveLength(3);
    expect(text).toMatch(/0x0d: 1-byte write of 0x40: a field refused 0x40/);
    expect(text).toMatch(/match: ids\('1234', \['5678'\]\)/);
  });

  it('gives a quirk under which the same trace is refused nothing but that, tried on the trace itself', async () => {
    write('trace.log', trace);
    write('nic.txt', nic('0000:65:00.0'));
    expect(await learn({ output: at('nic.json') }, 'trace.log')).toMatch(/nic\.json: 3 registers/);
    const [status, lines] = await dev({ dump: [at('nic.txt')], writes: at('trace.log') }, at('nic.json'));
    expect(lines).toMatch(/QEMU trace: 12 accesses/);
    expect(lines).toMatch(/5 writes, 1 of them with refused bits/);
    expect(lines).not.toMatch(/no access used/);
    expect(status).toBe(0);
  });

  it('takes the device of a dump where the trace does not show it', async () => {
    write('nic.txt', nic('0000:65:00.0'));
    write('short.log', 'vfio_pci_write_config  (0000:65:00.0, @0xe8, 0x103, len=0x2)');
    await expect(learn({}, 'short.log')).rejects.toThrow(/ids of the device.*--dump/);
    expect(await learn({ dump: [at('nic.txt')] }, 'short.log')).toMatch(/register\(0xe8, 16, .*\)\.writable\(0x0003\)/);
  });

  it('needs no quirk where the fields let everything through', async () => {
    write('trace.log', trace.split('\n').slice(0, 6).join('\n'));
    expect(await learn({}, 'trace.log')).toMatch(/^nothing to learn/);
  });
});
