// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import { sample } from '../../../plugins/platforms/embedded/index.ts';
import { attributes } from '../../../plugins/switches/attributes.ts';
import { runAttribute } from '../../../plugins/switches/run.ts';
import { commandContext } from '../../kit/command-context.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

const nic = sample('rtl8139');
const other = sample('e1000e');
const [bdf, second] = [formatBdf(nic.bdf), formatBdf(other.bdf)];
const short = bdf.slice(5);

let home: string;
let path: string;
let host: EmbeddedHost;

const start = async (config: object = {}): Promise<void> => {
  host = await startEmbeddedHost({ devices: [nic, other], config: { control: path, ...config } });
};
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'pciback-attribute-'));
  path = join(home, 'control.sock');
  await start();
});
afterEach(async () => {
  await host.close();
  rmSync(home, { recursive: true });
});

/** The command, as it prints. */
const command = async (words: readonly string[], options: object = {}): Promise<string[]> => {
  const { context, printed } = commandContext({ control: path, ...options }, words);
  expect(await runAttribute(context)).toBe(0);
  return printed;
};
const sysfs = (...words: readonly string[]): Promise<string[]> => command(words, { sysfs: true });
const json = async (...words: readonly string[]): Promise<unknown> =>
  JSON.parse((await command(words, { json: true })).join('\n'));

/** The socket itself, as any client has it. */
const control = (op: string, args: object): Promise<{ ok: boolean; result?: unknown; error?: { code: string } }> =>
  new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(`${JSON.stringify({ id: 7, op, args })}\n`));
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (!text.endsWith('\n')) return;
      socket.destroy();
      resolve(JSON.parse(text));
    });
    socket.on('error', reject);
  });

/** Three ways to write and to read. */
const ways = {
  command: {
    write: (name: string, text: string) => command([name, text]),
    read: async (name: string) => ((await json(name)) as { text: string }).text,
  },
  'control API': {
    write: async (name: string, text: string) =>
      expect(await control('attribute-write', { name, text })).toEqual({
        id: 7,
        ok: true,
        result: { name, written: text.length },
      }),
    read: async (name: string) => ((await control('attribute-read', { name })).result as { text: string }).text,
  },
  '--sysfs': {
    write: async (name: string, text: string) => expect(await sysfs(name, text)).toEqual([]),
    read: async (name: string) => (await sysfs(name)).map((line) => `${line}\n`).join(''),
  },
} as const;
type Way = keyof typeof ways;

/** What is written, and what reads of which attribute say before and after; `guest`: a guest has the device. */
const table = [
  { write: 'new_slot', text: '03:00.0', read: 'slots', before: '', after: '0000:03:00.0\n' },
  {
    write: 'new_slot',
    text: ' 0x1:2:3.* ',
    read: 'slots',
    before: '',
    after: Array.from({ length: 8 }, (_, fn) => `0001:02:03.${fn}\n`).join(''),
  },
  {
    write: 'remove_slot',
    text: '0000:07:*.*',
    read: 'slots',
    slots: ['07:00.1', '06:00.0', '0000:07:1f.7'],
    before: '0000:07:00.1\n0000:06:00.0\n0000:07:1f.7\n',
    after: '0000:06:00.0\n',
  },
  { write: 'permissive', text: bdf, read: 'permissive', before: '', after: `${bdf}\n` },
  { write: 'permissive', text: short, read: 'permissive', before: '', after: `${bdf}\n`, guest: true },
  { write: 'allow_interrupt_control', text: bdf, read: 'allow_interrupt_control', before: '', after: `${bdf}\n` },
  {
    write: 'allow_interrupt_control',
    text: bdf,
    read: 'allow_interrupt_control',
    before: '',
    after: `${bdf}\n`,
    guest: true,
  },
  {
    write: 'quirks',
    text: `${bdf}-e8:2:ff0f`,
    read: 'quirks',
    before: `${short}\n\t10ec:8139:10ec:8139\n${second.slice(5)}\n\t8086:10d3:8086:a01f\n`,
    after: `${short}\n\t10ec:8139:10ec:8139\n\t\t000000e8:2:0000ff0f\n${second.slice(5)}\n\t8086:10d3:8086:a01f\n`,
  },
  {
    write: 'irq_handler_state',
    text: bdf,
    read: 'irq_handlers',
    before: `${bdf}:on:acking:0\n`,
    after: `${bdf}:off:not acking:0\n`,
    guest: true,
  },
] as const;

describe('the attributes of the kernel module’s driver', () => {
  it('are those of its files, in the order in which it makes them, with bind and unbind', async () => {
    expect(await sysfs()).toEqual([
      'new_slot',
      'remove_slot',
      'slots',
      'quirks',
      'permissive',
      'allow_interrupt_control',
      'irq_handlers',
      'irq_handler_state',
      'bind',
      'unbind',
    ]);
    const { attributes: listed } = (await control('attributes', {})).result as {
      attributes: { name: string; mode: string }[];
    };
    expect(Object.fromEntries(listed.map(({ name, mode }) => [name, mode]))).toEqual({
      new_slot: '0200',
      remove_slot: '0200',
      slots: '0444',
      quirks: '0644',
      permissive: '0644',
      allow_interrupt_control: '0644',
      irq_handlers: '0444',
      irq_handler_state: '0200',
      bind: '0200',
      unbind: '0200',
    });
    expect(Object.keys(attributes)).toEqual(listed.map(({ name }) => name));
  });

  const rows = (Object.keys(ways) as Way[]).flatMap((way) => table.map((row) => ({ way, ...row })));
  it.each(rows)('$write of "$text" by $way, guest: $guest', async ({ way, ...row }) => {
    const { write, text, read, before, after } = row;
    const guest = 'guest' in row ? await host.guest([nic.bdf]) : undefined;
    await guest?.reached(4);
    if (guest === undefined) for (const one of [nic, other]) await host.pciback.stub.seize(one.bdf);
    for (const slot of 'slots' in row ? row.slots : []) await sysfs('new_slot', slot);
    for (const one of Object.keys(ways) as Way[]) expect(await ways[one].read(read)).toBe(before);
    await ways[way].write(write, text);
    for (const one of Object.keys(ways) as Way[]) expect(await ways[one].read(read)).toBe(after);
  });

  it.each(Object.keys(ways) as Way[])('bind and unbind by %s', async (way) => {
    const held = (): string[] => host.pciback.stub.devices.map((one) => formatBdf(one.bdf));
    await sysfs('new_slot', bdf);
    await ways[way].write('bind', bdf);
    expect(held()).toEqual([bdf]);
    await ways[way].write('unbind', bdf);
    expect(held()).toEqual([]);
  });

  it('say more in a table than in the kernel’s text', async () => {
    const guest = await host.guest([nic.bdf]);
    await guest.reached(4);
    await command(['permissive', bdf]);
    await command(['new_slot', bdf]);
    const line = (row: string | undefined): string | undefined => row?.replaceAll(/ +/g, ' ');
    const [head, first] = await command(['permissive']);
    expect([head, first].map(line)).toEqual(['device guest permissive from', `${bdf} ${guest.domain} yes command`]);
    expect((await command(['slots'])).map(line)).toEqual(['slot seized guest', `${bdf} yes ${guest.domain}`]);
    const fields = await command(['quirks']);
    expect(fields.find((row) => row.includes('0x04 '))).toMatch(/header|command/);
    expect((await command(['irq_handlers'])).map(line)).toEqual([
      'device handler acknowledging handled',
      `${bdf} on yes 0`,
    ]);
    expect((await command([]))[0]).toMatch(/^name +mode +about$/);
  });

  it('list the registers of a device that a guest has, mask 0 for those that every device has', async () => {
    const guest = await host.guest([nic.bdf]);
    await guest.reached(4);
    await sysfs('quirks', `${bdf}-e8:2:ff0f`);
    const [address, ids, ...fields] = await sysfs('quirks');
    expect([address, ids]).toEqual([short, '\t10ec:8139:10ec:8139']);
    expect(fields).toContain('\t\t000000e8:2:0000ff0f');
    expect(fields).toContain('\t\t00000004:2:00000000');
    for (const field of fields) expect(field).toMatch(/^\t\t[0-9a-f]{8}:[1-4]:[0-9a-f]{8}$/);
  });

  it('begin with the functions of `hide`', async () => {
    await host.close();
    await start({ hide: [bdf, '0000:7f:00.*', { vendor: '8086', device: '10d3' }] });
    expect(await sysfs('slots')).toEqual([bdf, ...Array.from({ length: 8 }, (_, fn) => `0000:7f:00.${fn}`), second]);
  });

  it('seize and give back: bind takes what the slot list has, unbind nothing that a guest has', async () => {
    const held = (): string[] => host.pciback.stub.devices.map((one) => formatBdf(one.bdf));
    await expect(sysfs('bind', bdf)).rejects.toThrow(/write of bind: ENODEV \(19\): .*slot list/);
    expect(held()).toEqual([]);
    await sysfs('new_slot', bdf);
    expect(held()).toEqual([]);
    await sysfs('bind', bdf);
    expect(held()).toEqual([bdf]);
    await sysfs('unbind', bdf);
    expect(held()).toEqual([]);
    const guest = await host.guest([nic.bdf]);
    await guest.reached(4);
    await expect(sysfs('unbind', bdf)).rejects.toThrow(/write of unbind: EBUSY \(16\)/);
    expect(held()).toEqual([bdf]);
  });
});

describe('what is refused', () => {
  const refused = [
    ['permissive', 'nic', 'BDF_SYNTAX', 'EINVAL (22)'],
    ['permissive', '0000:03:00.9', 'BDF_RANGE', 'EINVAL (22)'],
    ['permissive', '0000:03:00.*', 'DEVICE_NOT_SEIZED', 'ENODEV (19)'],
    ['permissive', '0000:7f:00.0', 'DEVICE_NOT_SEIZED', 'ENODEV (19)'],
    ['allow_interrupt_control', '0000:7f:00.0', 'DEVICE_NOT_SEIZED', 'ENODEV (19)'],
    ['new_slot', '03:00', 'BDF_SYNTAX', 'EINVAL (22)'],
    ['new_slot', '03:*.0', 'BDF_SYNTAX', 'EINVAL (22)'],
    ['new_slot', '03:20.0', 'BDF_RANGE', 'EINVAL (22)'],
    ['remove_slot', '7f:*.*', 'ATTRIBUTE_REFUSED', 'ENOENT (2)'],
    ['quirks', `${bdf}-1000:1:0`, 'QUIRK_INVALID', 'EINVAL (22)'],
    ['quirks', '0000:7f:00.0-e8:2:ffff', 'DEVICE_NOT_SEIZED', 'ENODEV (19)'],
    ['irq_handler_state', '0000:7f:00.0', 'DEVICE_NOT_SEIZED', 'ENOENT (2)'],
    ['irq_handler_state', bdf, 'USAGE', 'ENOENT (2)'],
    ['slots', bdf, 'ATTRIBUTE_REFUSED', 'EACCES (13)'],
    ['irq_handlers', bdf, 'ATTRIBUTE_REFUSED', 'EACCES (13)'],
    ['new_slot', undefined, 'ATTRIBUTE_REFUSED', 'EACCES (13)'],
    ['permisive', undefined, 'ATTRIBUTE_REFUSED', 'ENOENT (2)'],
    ['toString', bdf, 'ATTRIBUTE_REFUSED', 'ENOENT (2)'],
  ] as const;

  it.each(refused)('%s, "%s": %s, and %s with --sysfs', async (name, text, code, errno) => {
    await host.pciback.stub.seize(nic.bdf);
    const words = text === undefined ? [name] : [name, text];
    const args = text === undefined ? { name } : { name, text };
    const op = text === undefined ? 'attribute-read' : 'attribute-write';
    await expect(command(words)).rejects.toMatchObject({ code });
    expect(await control(op, args)).toMatchObject({ ok: false, error: { code } });
    await expect(sysfs(...words)).rejects.toMatchObject({ code: 'ATTRIBUTE_ERRNO', facts: { errno } });
  });

  it.each([
    [{ sysfs: true, json: true }, ['slots']],
    [{ off: true }, ['permissive']],
    [{ off: true, sysfs: true }, ['permissive', bdf]],
  ])('%o %s: usage', async (options, words) => {
    await expect(command(words, options)).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('names the attribute that was meant', async () => {
    await expect(command(['permisive'])).rejects.toMatchObject({ solve: expect.stringContaining('"permissive"') });
  });

  it('what cannot be switched off, and what no pciback answers', async () => {
    await expect(command(['new_slot', bdf], { off: true })).rejects.toMatchObject({ code: 'ATTRIBUTE_REFUSED' });
    path = join(home, 'nobody.sock');
    await expect(command(['slots'])).rejects.toMatchObject({ code: 'CONTROL_UNREACHABLE' });
    await expect(sysfs('slots')).rejects.toMatchObject({ code: 'CONTROL_UNREACHABLE' });
  });
});
