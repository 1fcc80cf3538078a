// SPDX-License-Identifier: MIT

import { rm, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parseBdf } from '../../../../core/bdf.ts';
import { HostError } from '../../../../core/platform/index.ts';
import { pciStubHolder } from '../../../../plugins/platforms/xen/holders.ts';
import type { WriteAttribute } from '../../../../plugins/platforms/xen/sysfs-files.ts';
import { type FakeSysfs, makeSysfs } from './fake-sysfs.ts';

const place = 'pci0000:00/0000:00:04.0';
const address = parseBdf('0000:00:04.0');

let tree: FakeSysfs | undefined;
afterEach(async () => {
  await tree?.remove();
  tree = undefined;
});

/** A kernel that binds and unbinds on writes, and refuses what it is told to refuse. */
const kernel = async (driver: string | undefined, refuse: Record<string, number> = {}, drivers = ['pci-stub']) => {
  const made = await makeSysfs([{ place, ...(driver === undefined ? {} : { driver }) }], drivers);
  tree = made;
  const folder = join(made.root, 'devices', place);
  const writes: string[] = [];
  let override = '';
  const bind = (name: string): Promise<void> =>
    symlink(join(made.root, 'bus/pci/drivers', name), join(folder, 'driver'));
  const write: WriteAttribute = async (path, value) => {
    const what = `${path.replace(`${made.root}/bus/pci/`, '').replace('devices/0000:00:04.0/', '')}=${value.trim()}`;
    writes.push(what);
    const errno = refuse[what];
    if (errno !== undefined) throw new HostError(`write of ${path}`, errno);
    if (path.endsWith('/unbind')) await unlink(join(folder, 'driver'));
    if (path.endsWith('/driver_override')) override = value.trim();
    if (path.endsWith('/drivers_probe') && override !== '' && refuse.probe === undefined) await bind(override);
    if (path.endsWith('/bind')) await bind(path.split('/').at(-2) ?? '');
  };
  return { holder: pciStubHolder(made.root, write), writes };
};

const taken = ['enable=1', 'driver_override=pci-stub', 'drivers_probe=0000:00:04.0'];
const givenBack = ['driver/unbind=0000:00:04.0', 'driver_override=', 'enable=0'];

describe('pci-stub as the holder', () => {
  it('takes a free function: enabled before it is bound, and undone backwards', async () => {
    const { holder, writes } = await kernel(undefined);
    const undo = await holder.take(address);
    expect(writes).toEqual(taken);
    await undo();
    expect(writes.slice(3)).toEqual(givenBack);
  });

  it('takes a function from its driver and gives it back', async () => {
    const { holder, writes } = await kernel('e1000e');
    const undo = await holder.take(address);
    expect(writes).toEqual(['driver/unbind=0000:00:04.0', ...taken]);
    await undo();
    expect(writes.slice(4)).toEqual([...givenBack, 'drivers/e1000e/bind=0000:00:04.0']);
  });

  it('leaves alone what is held like this already', async () => {
    const { holder, writes } = await kernel('pci-stub');
    await (await holder.take(address))();
    expect(writes).toEqual([]);
  });

  it('does not take what the kernel module holds', async () => {
    const { holder, writes } = await kernel('pciback');
    await expect(holder.take(address)).rejects.toMatchObject({
      code: 'DEVICE_NOT_SEIZABLE',
      solve: expect.stringContaining('xl pci-assignable-remove 0000:00:04.0'),
    });
    expect(writes).toEqual([]);
  });

  it('touches nothing when the stub driver is not loaded', async () => {
    const { holder, writes } = await kernel('e1000e', {}, []);
    await expect(holder.take(address)).rejects.toMatchObject({
      code: 'DEVICE_NOT_SEIZABLE',
      solve: expect.stringContaining('modprobe pci-stub'),
    });
    expect(writes).toEqual([]);
  });

  it('gives the function back to its driver when a step is refused', async () => {
    const { holder, writes } = await kernel('e1000e', { 'enable=1': 16 });
    await expect(holder.take(address)).rejects.toMatchObject({ errno: 16 });
    expect(writes).toEqual(['driver/unbind=0000:00:04.0', 'enable=1', 'drivers/e1000e/bind=0000:00:04.0']);
  });

  it('gives the function back when the stub did not take it', async () => {
    const { holder, writes } = await kernel('e1000e', { probe: 1 });
    await expect(holder.take(address)).rejects.toMatchObject({ code: 'DEVICE_NOT_SEIZABLE' });
    expect(writes.slice(4)).toEqual(['driver_override=', 'enable=0', 'drivers/e1000e/bind=0000:00:04.0']);
  });

  it('gives nothing back of a function that was removed meanwhile', async () => {
    const { holder, writes } = await kernel('e1000e');
    const undo = await holder.take(address);
    const before = writes.length;
    await rm(join(tree?.root ?? '', 'devices', place), { recursive: true });
    await rm(join(tree?.root ?? '', 'bus/pci/devices/0000:00:04.0'), { force: true });
    await undo();
    expect(writes.length).toBe(before);
  });

  it('does not mind that what is to be disabled was not enabled any more', async () => {
    const { holder, writes } = await kernel('e1000e', { 'enable=0': 5 });
    await (await holder.take(address))();
    expect(writes.at(-1)).toBe('drivers/e1000e/bind=0000:00:04.0');
  });
});
