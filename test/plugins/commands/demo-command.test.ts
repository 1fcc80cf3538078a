// SPDX-License-Identifier: MIT

import { beforeAll, describe, expect, it, vi } from 'vitest';
import { build, run, unfolded } from './built.ts';
import { dumpOf, makePlaces, plugin, rc } from './places.ts';

// Each test starts Node anew, some at the same time, on machines that have other things to do.
vi.setConfig({ testTimeout: 60_000 });

const place = makePlaces();
beforeAll(build, 180_000);

describe.concurrent('demo', () => {
  it('shows what guests see and what they are denied', async () => {
    const { status, out, err } = await run(['demo'], place());
    expect(out).toMatch(/^samples: 9 devices in a guest$/m);
    expect(out).toMatch(/skipped 0000:00:1c\.0 PCI bridge 8086:2940: a bridge is never exported/);
    expect(out).toMatch(/00:00\.0 Ethernet controller \[0200\]: 8086:10d3 {2}← host 0000:01:00\.0/);
    expect(out).toMatch(/BAR 0 at 0xf7d00000, size 128 KiB, memory, 32-bit/);
    expect(out).toMatch(/interrupts: MSI-X, PIRQ \d+, \d+, \d+$/m);
    expect(out).toMatch(/conf_read +\d+/);
    expect(unfolded(out)).toMatch(
      /0000:01:00\.0 +0x00d:1 +0x40 +bits 0x40 +1x {2}fields\/header: .*latency timer: read-only/,
    );
    expect(out).toMatch(/nothing is left mapped, bound or assigned\.\n$/);
    expect({ status, err }).toEqual({ status: 0, err: '' });
  });

  it('prints the same as one JSON document', async () => {
    const { status, out } = await run(['demo', '--json'], place());
    const { groups, summary } = JSON.parse(out) as {
      groups: {
        name: string;
        devices: object[];
        requests: Record<string, number>;
        denials: object[];
        ledger: object;
      }[];
      summary: object;
    };
    expect(status).toBe(0);
    expect(groups.map((group) => group.name)).toEqual(['this host', 'samples']);
    const samples = groups[1];
    expect(samples?.devices[0]).toMatchObject({
      host: '0000:01:00.0',
      vdev: '0000:00:00.0',
      vendor: '8086',
      device: '10d3',
      interrupts: { kind: 'msix', vectors: [expect.any(Number), expect.any(Number), expect.any(Number)], refused: [] },
    });
    expect(samples?.denials[0]).toMatchObject({
      bdf: '0000:01:00.0',
      offset: '0xd',
      size: 1,
      value: '0x40',
      why: 'read-only',
    });
    expect(samples?.requests.conf_read).toBeGreaterThan(256);
    expect(samples?.ledger).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
    expect(summary).toMatchObject({ leftHeld: 0 });
  });

  it('says why a guest did not come up', async () => {
    const broken = plugin(
      'acme/broken',
      `host.slots.add('broken', { create() { throw new Error('no slots today'); } });`,
    );
    const directory = place({ ...rc({ plugins: ['./broken.mjs'], slots: 'broken' }), 'broken.mjs': broken });
    const { status, out } = await run(['demo'], directory);
    expect(out).toMatch(/note: .*no slots today.*note: the guest did not come up/s);
    expect(status).toBe(1);
  });

  it('takes dumps, and the command line over the rc file', async () => {
    const directory = place({ ...rc({ slots: 'vpci' }), 'nic.txt': dumpOf(4096) });
    const { status, out } = await run(['demo', 'nic.txt', '--slots', 'passthrough'], directory);
    expect(out).toMatch(/^nic\.txt: 1 devices in a guest$/m);
    expect(out).toMatch(/ 01:00\.0 Ethernet controller .*← host 0000:01:00\.0/);
    expect(status).toBe(0);
  });

  it('shows what a quirk of the rc file opens', async () => {
    const quirk = {
      name: 'acme/aer',
      source: 'a test',
      match: [{ vendor: '8086', device: '10d3' }],
      fields: [{ offset: '0x108', width: 32, name: 'uncorrectable mask', writable: '0x00100000' }],
    };
    const words = ['demo', 'nic.txt', '--fields', 'kernel'];
    const closed = await run(words, place({ 'nic.txt': dumpOf(4096) }));
    const directory = place({
      ...rc({ quirks: ['aer.json'] }),
      'aer.json': JSON.stringify(quirk),
      'nic.txt': dumpOf(4096),
    });
    const open = await run(words, directory);
    expect(unfolded(closed.out)).toMatch(/0x108.*no field claims these bits/);
    expect(open.out).not.toMatch(/0x108/);
    expect([closed.status, open.status]).toEqual([0, 0]);
  });

  it('names the quirks of each device, those that match nothing with the nearest, and those that are left out', async () => {
    const one = (name: string, device: string, offset: string) =>
      JSON.stringify({
        name,
        source: 'a test',
        match: [{ vendor: '8086', device }],
        fields: [{ offset, width: 16, name: 'a', writable: '0x0001' }],
      });
    const directory = place({
      ...rc({ quirks: ['good.json', 'typo.json', 'over.json'] }),
      'good.json': one('acme/good', '10d3', '0x44'),
      'typo.json': one('acme/typo', '10d4', '0x44'),
      'over.json': one('acme/over', '10d3', '0xe8'),
      'nic.txt': dumpOf(4096),
    });
    const { out, err, status } = await run(['demo', 'nic.txt'], directory);
    expect({ err, status }).toEqual({ err: '', status: 0 });
    expect(out).toMatch(/^ {6}quirk acme\/good \(.*good\.json\)$/m);
    expect(out).toMatch(
      /^ {6}quirk acme\/over \(.*over\.json\), left out: acme\/over: 0xe8 \(a\) belongs to fields\/pcie: pcie/m,
    );
    expect(out).toMatch(
      /^quirk acme\/typo \(.*typo\.json\) matches nothing here: nearest is 8086:10d3 at 0000:01:00\.0: its device is 10d3, not 10d4$/m,
    );
    const { groups, unmatchedQuirks } = JSON.parse((await run(['demo', 'nic.txt', '--json'], directory)).out) as {
      groups: { devices: { quirks: { name: string }[] }[] }[];
      unmatchedQuirks: object[];
    };
    expect(groups[0]?.devices[0]?.quirks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['acme/good', 'acme/over']),
    );
    expect(unmatchedQuirks).toMatchObject([{ name: 'acme/typo' }]);
  });

  it('shows what the preset full adds', async () => {
    const directory = place({ 'nic.txt': dumpOf(4096) });
    const { out, status } = await run(['demo', 'nic.txt'], directory);
    expect(out).not.toMatch(/0x108|no field claims these bits/);
    expect(status).toBe(0);
  });
});
