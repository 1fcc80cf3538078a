// SPDX-License-Identifier: MIT

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBdf } from '../../../../core/bdf.ts';
import type { PciFunction } from '../../../../core/platform/index.ts';
import { createLines, lineUsers, sharedLine } from '../../../../plugins/platforms/xen/lines.ts';
import { platformContract } from '../../../kit/platform-contract.ts';
import type { PlatformFixture } from '../../../kit/platform-fixture.ts';
import { type FakeSysfs, makeSysfs } from './fake-sysfs.ts';

let sysfs: FakeSysfs;
const actions = async (line: number, text: string): Promise<void> => {
  const file = join(sysfs.root, 'kernel/irq', String(line), 'actions');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
};
const nic = parseBdf('0000:00:04.0');

beforeEach(async () => {
  sysfs = await makeSysfs([
    { place: 'pci0000:00/0000:00:04.0', irq: '19\n' },
    { place: 'pci0000:00/0000:00:05.0', irq: '255\n' },
  ]);
});
afterEach(() => sysfs.remove());

describe('who uses a line of the host', () => {
  it('is read from the names of its handlers', async () => {
    await actions(19, 'ehci_hcd:usb1,i801_smbus\n');
    expect(lineUsers(sysfs.root, 19)).toEqual(['ehci_hcd:usb1', 'i801_smbus']);
  });

  it('is nobody where there is no handler, or no such line', async () => {
    await actions(19, '\n');
    expect(lineUsers(sysfs.root, 19)).toEqual([]);
    expect(lineUsers(sysfs.root, 20)).toEqual([]);
  });

  it('leaves out the handlers of the kernel’s own back end', async () => {
    await actions(19, 'xen-pciback[0000:00:04.0],ehci_hcd:usb1\n');
    expect(lineUsers(sysfs.root, 19)).toEqual(['ehci_hcd:usb1']);
  });

  it('cannot be told by a kernel that does not list lines', () => {
    expect(() => lineUsers(sysfs.root, 19)).toThrow(expect.objectContaining({ name: 'HostError', errno: 2 }));
  });

  it('is asked for a function by its line', async () => {
    await actions(19, 'ehci_hcd:usb1\n');
    expect(await sharedLine(nic, sysfs.root)).toEqual({ line: 19, users: ['ehci_hcd:usb1'] });
    await actions(19, '');
    expect(await sharedLine(nic, sysfs.root)).toBeUndefined();
    // 255 is firmware's word for "not connected".
    await actions(255, 'somebody\n');
    expect(await sharedLine(parseBdf('0000:00:05.0'), sysfs.root)).toBeUndefined();
  });
});

describe('the host’s half of a line', () => {
  it('cannot be had in user space: EOPNOTSUPP', () => {
    const lines = createLines(sysfs.root, () => true);
    expect(lines.canClaim).toBe(false);
    expect(lines.canClaimFor?.({} as PciFunction)).toBe(false);
    expect(() => lines.claim({} as PciFunction, 'xen-pciback[0000:00:04.0]', () => 'handled')).toThrow(
      expect.objectContaining({ name: 'HostError', errno: 95 }),
    );
    expect(lines.isShared(19)).toBe(true);
  });
});

describe('the obligations of lines, over files', () => {
  const cases = platformContract.filter(({ name }) => name.startsWith('lines:'));

  it.each(cases)('$name', async ({ run }) => {
    await actions(19, 'ehci_hcd:usb1\n');
    const held = { line: 19, identity: { bdf: nic } } as PciFunction;
    const lines = createLines(sysfs.root, () => false);
    const platform = { lines, pci: { seize: async () => held, release: async () => undefined } };
    await run({ platform, device: nic } as unknown as PlatformFixture);
  });
});
