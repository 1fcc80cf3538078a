// SPDX-License-Identifier: MIT

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBdf } from '../../../../core/bdf.ts';
import { hostUses, missedUses } from '../../../../plugins/platforms/xen/host-use.ts';

const address = parseBdf('0000:03:00.0');
const OWN = 'devices/pci0000:00/0000:00:1c.0/0000:03:00.0';
const OTHER = 'devices/pci0000:00/0000:00:1f.0';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pciback-host-'));
  await file(`sys/${OWN}/vendor`, '0x8086\n');
  await file(`sys/${OTHER}/vendor`, '0x8086\n');
  await link(`sys/bus/pci/devices/0000:03:00.0`, OWN);
  await link(`sys/${OWN}/driver`, 'bus/pci/drivers/own');
});
afterEach(() => rm(root, { recursive: true }));

const file = async (path: string, text = ''): Promise<void> => {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
};
/** A link, as sysfs has it, to a folder below `sys`, which is made. */
const link = async (path: string, to: string): Promise<void> => {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await mkdir(join(root, 'sys', to), { recursive: true });
  await symlink(join(root, 'sys', to), join(root, path));
};
const uses = () => hostUses(address, { sysfs: join(root, 'sys'), proc: join(root, 'proc') });

/** A disk of the function, or of another one, with its partitions. */
const disk = async (name: string, numbers: readonly string[], place = OWN): Promise<string> => {
  const folder = `${place}/ata1/block/${name}`;
  await file(`sys/${folder}/dev`, `${numbers[0]}\n`);
  for (const [index, number] of numbers.entries()) {
    if (index === 0) continue;
    await file(`sys/${folder}/${name}${index}/dev`, `${number}\n`);
    await file(`sys/${folder}/${name}${index}/partition`, `${index}\n`);
  }
  await link(`sys/block/${name}`, folder);
  return folder;
};
const mounts = (...lines: readonly string[]): Promise<void> => file('proc/self/mountinfo', `${lines.join('\n')}\n`);
const mounted = (number: string, place: string, source: string): string =>
  `36 35 ${number} / ${place} rw,noatime shared:1 - ext4 ${source} rw`;

const ROUTES = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT';
const route = (name: string, to = '00000000', mask = '00000000'): string =>
  `${name}\t${to}\t0101A8C0\t0003\t0\t0\t0\t${mask}\t0\t0\t0`;

describe('what a host does with a function', () => {
  it('is nothing, where the host has none of all that', async () => {
    expect(await uses()).toEqual([]);
    expect(await hostUses(parseBdf('0000:7f:00.0'), { sysfs: join(root, 'sys'), proc: join(root, 'proc') })).toEqual(
      [],
    );
  });

  describe('network', () => {
    beforeEach(async () => {
      await link(`sys/class/net/eth0/device`, OWN);
      await link(`sys/class/net/eth1/device`, OTHER);
      await mkdir(join(root, 'sys/class/net/lo'), { recursive: true });
    });

    it('with the default route', async () => {
      await file('proc/net/route', [ROUTES, route('eth0')].join('\n'));
      expect(await uses()).toEqual(['network eth0 has the default route']);
    });

    it('with another route, or another one with that', async () => {
      await file('proc/net/route', [ROUTES, route('eth0', '0001A8C0', '00FFFFFF'), route('eth1')].join('\n'));
      expect(await uses()).toEqual([]);
    });

    it('that is a part of the bridge with it, over a bond', async () => {
      await link('sys/class/net/xenbr0/lower_bond0', 'devices/virtual/net/bond0');
      await link('sys/class/net/bond0/lower_eth0', `${OWN}/net/eth0`);
      await file('proc/net/route', [ROUTES, route('xenbr0')].join('\n'));
      expect(await uses()).toEqual(['network eth0 is a part of xenbr0, which has the default route']);
    });

    it('with the default route of version 6 alone', async () => {
      const none = '0'.repeat(32);
      const line = (name: string, bits: string): string =>
        `${none} ${bits} ${none} 00 fe80000000000000021b21fffea53c7e 00000400 00000001 00000000 00450003 ${name}`;
      await file('proc/net/ipv6_route', [line('eth1', '40'), line('lo', '00')].join('\n'));
      expect(await uses()).toEqual([]);
      await file('proc/net/ipv6_route', `${line('eth0', '00')}\n`);
      expect(await uses()).toEqual(['network eth0 has the default route']);
    });
  });

  describe('disks', () => {
    it('with mounted file systems, of partitions too, whose places may have blanks', async () => {
      await disk('sda', ['8:0', '8:1', '8:2']);
      await mounts(mounted('8:1', '/', '/dev/sda1'), mounted('8:2', '/my\\040data', '/dev/sda2'));
      expect(await uses()).toEqual(['/ is mounted from sda1', '/my data is mounted from sda2']);
    });

    it('with a file system that has a number of its own', async () => {
      await disk('sda', ['8:0', '8:1']);
      await mounts(mounted('0:42', '/home', '/dev/sda1'));
      expect(await uses()).toEqual(['/home is mounted from sda1']);
    });

    it('with swap space', async () => {
      await disk('sda', ['8:0', '8:1']);
      await file('proc/swaps', 'Filename\tType\tSize\tUsed\tPriority\n/dev/sda1  partition\t1\t0\t-2\n');
      expect(await uses()).toEqual(['sda1 is swap space']);
    });

    it('with what is made of them: mounted, swapped to, or only there', async () => {
      const folder = await disk('sda', ['8:0', '8:1', '8:2']);
      await file('sys/devices/virtual/block/dm-0/dev', '253:0\n');
      await file('sys/devices/virtual/block/dm-0/dm/name', 'vg-root\n');
      await link('sys/block/dm-0', 'devices/virtual/block/dm-0');
      await link(`sys/${folder}/sda1/holders/dm-0`, 'devices/virtual/block/dm-0');
      await file('sys/devices/virtual/block/md0/dev', '9:0\n');
      await link('sys/block/md0', 'devices/virtual/block/md0');
      await link(`sys/${folder}/sda2/holders/md0`, 'devices/virtual/block/md0');
      await mounts(mounted('0:30', '/', '/dev/mapper/vg-root'));
      expect(await uses()).toEqual(['/ is mounted from dm-0, on sda1', 'md0 is made of sda2']);
    });

    it('of others, and those that nobody has mounted, are none', async () => {
      await disk('sda', ['8:0', '8:1']);
      await disk('sdb', ['8:16', '8:17'], OTHER);
      await mounts(mounted('8:17', '/', '/dev/sdb1'), mounted('0:5', '/proc', 'proc'));
      expect(await uses()).toEqual([]);
    });

    it('that several controllers lead to', async () => {
      const subsystem = 'devices/virtual/nvme-subsystem/nvme-subsys0';
      await file(`sys/${subsystem}/nvme0n1/dev`, '259:0\n');
      await link('sys/block/nvme0n1', `${subsystem}/nvme0n1`);
      await link(`sys/${subsystem}/nvme0`, `${OWN}/nvme/nvme0`);
      await mounts(mounted('259:0', '/var', '/dev/nvme0n1'));
      expect(await uses()).toEqual(['/var is mounted from nvme0n1']);
    });
  });

  describe('the console', () => {
    it('on a serial port', async () => {
      await link('sys/class/tty/ttyS4/device', `${OWN}/serial`);
      await link('sys/class/tty/ttyS0/device', 'devices/pnp0/00:04');
      await file('proc/consoles', 'ttyS0                -W- (EC p a)    4:64\n');
      expect(await uses()).toEqual([]);
      await file('proc/consoles', 'tty0                 -WU (EC  p  )    4:2\nttyS4  -W- (EC p a) 4:68\n');
      expect(await uses()).toEqual(['ttyS4 is a console of the host']);
    });

    it('on a screen', async () => {
      await link('sys/class/graphics/fb0/device', OWN);
      await file('proc/consoles', 'tty0                 -WU (EC  p  )    4:2\n');
      await link('sys/class/drm/card0', `${OWN}/drm/card0`);
      await symlink(join(root, 'sys', OWN), join(root, 'sys', OWN, 'drm/card0/device'));
      await file(`sys/${OWN}/drm/card0/card0-DP-1/enabled`, 'enabled\n');
      await file(`sys/${OWN}/drm/card0/card0-DP-2/enabled`, 'disabled\n');
      expect(await uses()).toEqual(['the console is shown on fb0', 'a picture is shown on card0-DP-1']);
    });

    it('is where the firmware showed its picture, whatever the driver', async () => {
      await file(`sys/${OWN}/boot_vga`, '1\n');
      expect(await uses()).toEqual(['it is the primary display']);
      await file(`sys/${OWN}/boot_vga`, '0\n');
      expect(await uses()).toEqual([]);
    });
  });

  it.each(['pciback', 'pci-stub', 'vfio-pci'])(
    'is nothing for one that %s holds; only what is missed is known',
    async (driver) => {
      await rm(join(root, 'sys', OWN, 'driver'));
      await link(`sys/${OWN}/driver`, `bus/pci/drivers/${driver}`);
      await file(`sys/${OWN}/boot_vga`, '1\n');
      expect(await uses()).toEqual([]);
      expect(await missedUses(address, { sysfs: join(root, 'sys'), proc: '' })).toEqual(['it is the primary display']);
    },
  );
});
