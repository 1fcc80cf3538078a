// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBdf } from '../../../../core/bdf.ts';
import { Errno, HostError, type PciResource, ResourceFlag } from '../../../../core/platform/index.ts';
import { HostChanges } from '../../../../plugins/platforms/xen/stand-alone-changes.ts';
import { Grants, needsOf } from '../../../../plugins/platforms/xen/stand-alone-grants.ts';
import type { Permissions } from '../../../../plugins/platforms/xen/stand-alone-permissions.ts';

const { io, memory, memory64, unassigned } = ResourceFlag;
const address = parseBdf('0000:03:00.0');
const resources: readonly PciResource[] = [
  { start: 0xfebc0000n, size: 0x20000n, flags: memory },
  { start: 0xc080n, size: 0x20n, flags: io | 1 },
  // Above 4 GiB (XSA-476).
  { start: 0x3800_0000_4000n, size: 0x4000n, flags: memory | memory64 },
  { start: 0n, size: 0n, flags: 0 },
  // Not at the beginning of a page, and over its end.
  { start: 0xfebd0f00n, size: 0x200n, flags: memory },
  { start: 0x1000n, size: 0x1000n, flags: memory | unassigned },
  // A ROM that is switched on has bit 0, as ports have.
  { start: 0xfeb80000n, size: 0x40000n, flags: memory | 1 },
];

let folder: string;
let changes: HostChanges;
let asked: string[];
let refuse: Map<string, number>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pciback-grants-'));
  changes = new HostChanges(folder);
  asked = [];
  refuse = new Map();
});
afterEach(() => rmSync(folder, { recursive: true }));

const permissions = new Proxy({} as Permissions, {
  get:
    (_, name: string) =>
    (...words: unknown[]) => {
      const call = [name, ...words].join(' ');
      asked.push(call);
      const errno = refuse.get(call);
      if (errno !== undefined) throw new HostError(call, errno);
    },
});
const grants = (iommu: 'in use' | 'none' = 'in use'): Grants => new Grants({ changes, permissions, iommu });

const given = [
  `frames 7 ${0xfebc0n} 32 allow`,
  `ports 7 ${0xc080} 32 allow`,
  `frames 7 ${0x380000004n} 4 allow`,
  `frames 7 ${0xfebd0n} 2 allow`,
  `frames 7 ${0xfeb80n} 64 allow`,
  'mapLine 7 20',
  'line 7 20 allow',
  `assign 7 ${address} strict`,
];
const takenBack = [
  `deassign 7 ${address}`,
  'line 7 20 forbid',
  'unmapLine 7 20',
  ...given
    .slice(0, 5)
    .reverse()
    .map((call) => call.replace('allow', 'forbid')),
];

describe('what a function needs of the hypervisor', () => {
  it('is its memory by whole pages, its ports and its line', () => {
    expect(needsOf(7, { resources, line: 20 }).map(({ what }) => what)).toEqual([
      'frames',
      'ports',
      'frames',
      'frames',
      'frames',
      'line',
      'line permission',
    ]);
    expect(needsOf(7, { resources: [], line: 0 })).toEqual([]);
  });

  it('is given in order, and taken back as it was noted, by a next process too', async () => {
    await grants().give(address, 7, { resources, line: 20 });
    expect(asked).toEqual(given);
    asked = [];
    await new Grants({ changes: new HostChanges(folder), permissions, iommu: 'in use' }).takeBack(address);
    expect(asked).toEqual(takenBack);
    asked = [];
    await grants().takeBack(address);
    expect(asked).toEqual([]);
  });

  it('is given without an IOMMU where there is none', async () => {
    await grants('none').give(address, 7, { resources, line: 20 });
    expect(asked).toEqual(given.slice(0, -1));
  });

  it.each(given.map((call, index) => [call, index] as const))(
    'is taken back when %s is refused',
    async (call, index) => {
      refuse.set(call, Errno.EPERM);
      await expect(grants().give(address, 7, { resources, line: 20 })).rejects.toMatchObject({ errno: Errno.EPERM });
      expect(asked).toEqual([...given.slice(0, index + 1), ...takenBack.slice(takenBack.length - index)]);
      expect(changes.addresses).toEqual([]);
    },
  );

  it('is taken back as far as it goes, and the rest is tried again', async () => {
    await grants().give(address, 7, { resources, line: 20 });
    asked = [];
    refuse.set('unmapLine 7 20', Errno.EPERM);
    await expect(grants().takeBack(address)).rejects.toMatchObject({ errno: Errno.EPERM });
    expect(asked).toEqual(takenBack);
    refuse.clear();
    asked = [];
    await grants().takeBack(address);
    expect(asked).toEqual(['unmapLine 7 20']);
  });
});
