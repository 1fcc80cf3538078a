// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { parseBdf } from '../../../../core/bdf.ts';
import { kernelStubHolder } from '../../../../plugins/platforms/xen/holders.ts';
import { LineBench } from '../../interrupts/device/line-bench.ts';
import { type FakeSysfs, makeSysfs } from './fake-sysfs.ts';

const address = parseBdf('0000:03:00.0');
const place = 'pci0000:00/0000:00:1c.0/0000:03:00.0';

let tree: FakeSysfs | undefined;
afterEach(async () => {
  await tree?.remove();
  tree = undefined;
});

describe('names that the toolstack and the host know (seed a92336a117)', () => {
  it('the PCI driver that holds a function is `pciback`', async () => {
    tree = await makeSysfs([{ place, driver: 'pciback' }]);
    const holder = kernelStubHolder(tree.root);
    expect(holder.describe('pciback', 0x020000)).toEqual({ holder: 'seizable', seizable: true });
    await expect(holder.take(address)).resolves.toBeTypeOf('function');
  });

  it.each(['xen-pciback', 'xen_pciback', 'pci-back', 'pci-stub'])('no driver called `%s` holds one', async (driver) => {
    tree = await makeSysfs([{ place, driver }]);
    const holder = kernelStubHolder(tree.root);
    expect(holder.describe(driver, 0x020000)).toEqual({ holder: driver, seizable: false });
    await expect(holder.take(address)).rejects.toMatchObject({
      code: 'DEVICE_NOT_SEIZABLE',
      facts: { holder: `driver ${driver}` },
    });
  });

  it('the handler on a shared line is called `xen-pciback` with the address', () => {
    const bench = new LineBench();
    bench.on();
    expect(bench.calls).toEqual(['claim xen-pciback[0000:03:00.0]']);
    expect(bench.handler.state.name).toBe('xen-pciback[0000:03:00.0]');
  });
});
