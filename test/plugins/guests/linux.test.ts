// SPDX-License-Identifier: MIT

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RecordedAccess } from '../../../core/space/recorder.ts';
import { type Claims, fatesOf, readsOf } from '../../../plugins/fates.ts';
import { guestAddresses, section } from '../../../plugins/guests/linux/boot.ts';
import { driversFor, overlay } from '../../../plugins/guests/linux/image.ts';
import { countedOf, lostOf, raiseAll } from '../../../plugins/guests/linux/interrupts.ts';
import { setUp } from '../../../plugins/guests/linux/machine.ts';
import { type Offering, offerDevices } from '../../../plugins/guests/linux/offer.ts';
import { keepingRecorder } from '../../../plugins/guests/linux/recorder.ts';
import { report } from '../../../plugins/guests/linux/report.ts';
import { prepare } from '../../../plugins/guests/linux/trial.ts';
import { VfioUserClient } from '../../kit/vfio-user-client.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-guests-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

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

describe('the fates of bits', () => {
  const space: Claims = {
    claimsOf: () => [
      { mask: 0x00ff0000, policy: 'emulated', owner: 'a' },
      { mask: 0x0f000000, policy: 'emulated', owner: 'a' },
      { mask: 0x10000000, policy: 'readOnly', owner: 'b' },
    ],
  };
  const write = (more: Partial<RecordedAccess> = {}): RecordedAccess => ({
    kind: 'write',
    offset: 0xea,
    size: 2,
    value: 0xffff,
    status: 0,
    denied: 0,
    wanted: 0,
    ...more,
  });

  it('name each owner once, and what nobody owns', () => {
    const [one] = fatesOf([write({ denied: 0xf000 }), write({ kind: 'read' })], space);
    expect(one?.split('\n').map((line) => line.trim())).toEqual([
      '0x0ea:2 = ffff, refused f000',
      "0fff the guest's own (a)",
      '1000 refused: read-only (b)',
      'e000 dropped: no field',
    ]);
  });

  it('count what comes again', () => {
    expect(fatesOf([write(), write(), write({ value: 1 })], space)).toHaveLength(2);
    expect(fatesOf([write(), write()], space)[0]).toContain('ffff 2x');
  });
});

describe('interrupts of a trial', () => {
  const table = (nic: readonly [number, number], usb: number): string =>
    `           CPU0       CPU1\n  4:  ${usb + 90}  0  IO-APIC   4-edge      ttyS0\n 25:  ${nic[0]}  ${nic[1]}  PCI-MSI-0000:01:00.0   0-edge  eth0\nNMI:  7  7  Non-maskable interrupts\n`;
  const sections =
    (before: string, after: string) =>
    (name: string): string =>
      name.endsWith('before') ? before : after;

  it('are what the guest counted meanwhile, over all processors, without its console', () => {
    const found = sections(table([1, 2], 0), table([3, 5], 7));
    expect(countedOf(found)).toEqual([{ what: 'PCI-MSI-0000:01:00.0 0-edge eth0', count: 5 }]);
  });

  it('are raised device by device, and the guest is told when all were', async () => {
    const typed: string[] = [];
    let raised = 0;
    const raise = async () => ({ kind: 'msi', outcome: ++raised > 1 ? 'raised' : 'masked' });
    const found = await raiseAll([raise], 3, (line) => typed.push(`${line} after ${raised}`));
    expect(found.map((one) => [...one])).toEqual([
      [
        ['msi masked', 1],
        ['msi raised', 2],
      ],
    ]);
    expect(typed).toEqual(['raised after 3']);
    expect(lostOf(found, sections(table([0, 0], 0), table([1, 0], 0)))).toBe(1);
    expect(lostOf(found, sections(table([0, 0], 0), table([1, 1], 0)))).toBe(0);
  });
});

describe('drivers of the guest', () => {
  const nic = { vendor: 0x8086, device: 0x10d3, subsystemVendor: 0, subsystemDevice: 0, class: 0x020000 };

  it('are those of the kernel’s own list', () => {
    const rules = ['alias pci:v00008086d000010D3sv*sd*bc*sc*i* e1000e', 'alias pci:v00008086d*sv*sd*bc03sc*i* i915'];
    writeFileSync(join(home, 'modules.alias'), `${rules.join('\n')}\n`);
    expect(driversFor(home, [nic])).toEqual(['e1000e']);
    expect(driversFor(home, [{ ...nic, device: 1, class: 0x030000 }])).toEqual(['i915']);
    expect(driversFor(home, [{ ...nic, vendor: 0x1234 }])).toEqual([]);
  });

  it('lie there with what they need, in the order in which they can be loaded', () => {
    mkdirSync(join(home, 'net'));
    for (const name of ['net/e1000e.ko', 'ptp.ko', 'pps-core.ko']) writeFileSync(join(home, name), name);
    writeFileSync(join(home, 'modules.dep'), 'net/e1000e.ko: ptp.ko pps-core.ko\nptp.ko: pps-core.ko\npps-core.ko:\n');
    overlay(home, home, ['e1000e', 'no_such_driver'], { job: 'true' });
    expect(readFileSync(join(home, 'overlay/modlist'), 'utf8')).toBe('pps-core.ko\nptp.ko\ne1000e.ko\n');
    expect(readFileSync(join(home, 'overlay/lib/m/e1000e.ko'), 'utf8')).toBe('net/e1000e.ko');
    expect(readFileSync(join(home, 'overlay/job'), 'utf8')).toBe('true');
  });
});

it.skipIf(process.getuid?.() === 0)('a user who is not root is told what root has to do once', () => {
  expect(() => setUp(join(home, 'guest'), () => undefined)).toThrow(/the first time root is needed/);
});

it.skipIf(process.getuid?.() !== 0)('root runs nothing from a folder that others may change', async () => {
  chmodSync(home, 0o777);
  vi.stubEnv('PCIBACK_GUEST', home);
  const said: string[] = [];
  const host = { print: (text: string) => void said.push(text), stop: new AbortController().signal };
  await expect(prepare(host)).rejects.toMatchObject({ code: 'CONFIG_UNTRUSTED', facts: { path: home } });
  expect([said, readdirSync(home)]).toEqual([[], []]);
});

describe('devices of a trial', () => {
  const dump = (...functions: readonly (readonly [address: string, start: string])[]): string => {
    const rows = (start: string): string =>
      Array.from({ length: 16 }, (_, row) => {
        const bytes = row === 0 ? start : Array(16).fill('00').join(' ');
        return `${(16 * row).toString(16).padStart(2, '0')}: ${bytes}`;
      }).join('\n');
    return functions.map(([address, start]) => `${address} a device\n${rows(start)}\n`).join('\n');
  };
  const CARD = '34 12 78 56 00 00 00 00 00 00 00 ff 00 00 00 00';
  const BRIDGE = '34 12 01 00 00 00 00 00 00 00 04 06 00 00 01 00';
  let offering: Offering | undefined;
  afterEach(async () => {
    await offering?.running.stop();
    offering = undefined;
  });

  it('are offered at a socket each, dumps of one address too, and a sample beside them; bridges are not', async () => {
    const files = ['one.txt', 'other.txt'].map((name) => join(home, name));
    for (const file of files) writeFileSync(file, dump(['00:03.0', CARD], ['00:1c.0', BRIDGE]));
    offering = await offerDevices({ place: join(home, 'place'), devices: [...files, 'nvme'] });
    expect(offering.offered.map(({ name, express }) => [name, express])).toEqual([
      ['1234:5678', false],
      ['1234:5678', false],
      ['144d:a808', true],
    ]);
    expect(offering.offered[2]?.bars).toEqual([0x4000, 0, 0, 0, 0, 0]);
    expect(offering.refused.map(({ name, why }) => [name, why])).toEqual([
      ['1234:0001', 'a bridge'],
      ['1234:0001', 'a bridge'],
    ]);
  });

  it.each([
    ['none.txt', 'ENOENT'],
    ['.', 'it is a folder, not a file'],
  ])('are refused by name where a dump cannot be read: %s', async (name, why) => {
    const file = join(home, name);
    await expect(offerDevices({ place: join(home, 'place'), devices: [file] })).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining(`${file} cannot be read: ${why}`),
    });
  });

  it('are reported with what became of each bit that a client wrote', async () => {
    const file = join(home, 'quirk.json');
    const fields = [{ offset: '0x44', width: 16, name: 'mode', emulated: '0x00ff' }];
    const match = [{ vendor: '8086', device: '10d3' }];
    writeFileSync(file, JSON.stringify({ name: 'test/mode', source: 'made up for a test', match, fields }));
    const recorder = keepingRecorder();
    offering = await offerDevices({ place: home, devices: ['e1000e'], quirks: [file], plugins: [recorder.plugin] });
    const [nic] = offering.offered;
    if (nic === undefined) return expect.fail('not offered');
    const client = await VfioUserClient.connect(nic.socket);
    await client.config(0, 4);
    await client.setConfig(0x44, 2, 0x1234);
    const { assignment } = offering.running.engine.stub.devices.find((one) => one.bdf === nic.bdf) ?? {};
    client.end();
    const console = '=== guest up\n=== at /sys/devices/pci0000:00/0000:00:02.0\n=== guest done\n';
    const ran = { console, seconds: 7.25, up: true, done: true, said: '' };
    const assignments = new Map(assignment === undefined ? [] : [[nic.bdf, assignment] as const]);
    const printed: string[] = [];
    report({ ran, offering, recorder, assignments }, true, (text) => printed.push(text));
    expect(printed.join()).not.toContain('did not come to its end');
    const text = printed.join('\n');
    expect(text).toContain('8086:10d3, 0000:00:02.0 in the guest: 1 reads, 1 writes');
    expect(text).toContain("0x044:2 = 1234, refused 1200\n      00ff the guest's own (test/mode");
    expect(text).toContain('reads by register: 0x0:4 1x');
    expect(text).toContain('guest: 7.3 s from start to power-off');
  });

  it('of a guest that did not come to its end are reported with the last of its console', () => {
    const printed: string[] = [];
    const ran = { console: '=== guest up\nKernel panic\n', seconds: 1, up: true, done: false, said: '' };
    const nothing = { offered: [], refused: [], log: [] } as unknown as Offering;
    const trial = { ran, offering: nothing, recorder: keepingRecorder(), assignments: new Map() };
    report(trial, false, (text) => printed.push(text));
    expect(printed.join('\n')).toContain('the last of its console\n  === guest up\n  Kernel panic\n');
  });

  it('of a guest that never came up are not reported: the emulator and the last of its console are', () => {
    const printed: string[] = [];
    const ran = { console: 'firmware\nno room', seconds: 1, up: false, done: false, said: 'emulator: no\n' };
    const nothing = { offered: [], refused: [], log: [] } as unknown as Offering;
    const trial = { ran, offering: nothing, recorder: keepingRecorder(), assignments: new Map() };
    report(trial, false, (text) => printed.push(text));
    expect(printed).toEqual(['emulator: no', 'firmware\nno room', 'guest: it never came up']);
  });
});

it('reads are counted by register and size', () => {
  const read = { kind: 'read', offset: 4, size: 2, value: 0, status: 0, denied: 0, wanted: 0 } as const;
  expect(readsOf([read, read, { ...read, size: 4 }, { ...read, kind: 'write' }])).toBe('0x4:2 2x 0x4:4 1x');
});
