// SPDX-License-Identifier: MIT

import { mkdir, mkdtemp, readFile, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBdf } from '../../../../core/bdf.ts';
import { HostError } from '../../../../core/platform/index.ts';
import { LineHandlers } from '../../../../plugins/platforms/xen/line-handlers.ts';
import { HostChanges } from '../../../../plugins/platforms/xen/stand-alone-changes.ts';
import { NO_DRIVER, noDriverHolder } from '../../../../plugins/platforms/xen/stand-alone-holder.ts';
import type { WriteAttribute } from '../../../../plugins/platforms/xen/sysfs-files.ts';
import { type FakeSysfs, makeSysfs } from './fake-sysfs.ts';

const place = 'pci0000:00/0000:00:04.0';
const address = parseBdf('0000:00:04.0');
const COMMAND = 4;

let tree: FakeSysfs | undefined;
let notes: string;
beforeEach(async () => {
  notes = await mkdtemp(join(tmpdir(), 'notes-'));
});
afterEach(async () => {
  await tree?.remove();
  tree = undefined;
  await rm(notes, { recursive: true });
});

/** A kernel that binds and unbinds on writes, and refuses what it is told to refuse. */
const kernel = async (driver: string | undefined, refuse: Record<string, number> = {}) => {
  const made = await makeSysfs([{ place, ...(driver === undefined ? {} : { driver }) }]);
  tree = made;
  const folder = join(made.root, 'devices', place);
  await mkdir(join(folder, 'power'));
  await writeFile(join(folder, 'power/control'), 'auto\n');
  const writes: string[] = [];
  const config = async (): Promise<Buffer> => readFile(join(folder, 'config'));
  const write: WriteAttribute = async (path, value) => {
    const what = `${path.replace(`${made.root}/bus/pci/`, '').replace('devices/0000:00:04.0/', '')}=${value.trim()}`;
    writes.push(what);
    const errno = refuse[what];
    if (errno !== undefined) throw new HostError(`write of ${path}`, errno);
    if (path.endsWith('/unbind')) await unlink(join(folder, 'driver'));
    else if (path.endsWith('/bind')) {
      const override = (await readFile(join(folder, 'driver_override'), 'utf8')).trim();
      // The kernel's rule: with an override only that driver matches.
      if (override !== '(null)') throw new HostError(`write of ${path}`, 19);
      await symlink(join(made.root, 'bus/pci/drivers', path.split('/').at(-2) ?? ''), join(folder, 'driver'));
    } else if (path.endsWith('/driver_override')) await writeFile(path, value === '\n' ? '(null)\n' : `${value}\n`);
    else await writeFile(path, `${value}\n`);
    if (what === 'enable=1') {
      const bytes = await config();
      bytes.writeUInt16LE(bytes.readUInt16LE(COMMAND) | 3, COMMAND);
      await writeFile(join(folder, 'config'), bytes);
    }
  };
  const deassigned: string[] = [];
  const permissions = { deassign: (domain: number, one: number) => void deassigned.push(`${domain} ${one}`) };
  /** As the next process has it: what is noted is all it knows. */
  const next = () => {
    const changes = new HostChanges(notes);
    const handlers = new LineHandlers({ sysfs: made.root, write, changes, hearing: undefined });
    return noDriverHolder({ sysfs: made.root, write, changes, permissions, handlers });
  };
  return { holder: next(), next, writes, deassigned, folder, config, made };
};

const taken = [`driver_override=${NO_DRIVER}`, 'power/control=on', 'enable=1'];
const givenBack = ['enable=0', 'power/control=auto', 'driver_override='];
const noted = () => new HostChanges(notes).of(address).map(({ what }) => what);

describe('a function without a driver', () => {
  it('is kept for none, awake and enabled, and everything is undone backwards', async () => {
    const { holder, writes, config } = await kernel(undefined);
    const before = await config();
    const undo = await holder.take(address);
    expect(writes).toEqual(taken);
    expect(noted()).toEqual(['override', 'power', 'enabled']);
    expect((await config()).readUInt16LE(COMMAND)).toBe(3);
    await undo();
    expect(writes.slice(3)).toEqual(givenBack);
    expect((await config()).equals(before)).toBe(true);
    expect(noted()).toEqual([]);
  });

  it('is taken from its driver, which gets it back', async () => {
    const { holder, writes } = await kernel('e1000e');
    const undo = await holder.take(address);
    expect(writes).toEqual(['driver/unbind=0000:00:04.0', ...taken]);
    await undo();
    expect(writes.slice(4)).toEqual([...givenBack, 'drivers/e1000e/bind=0000:00:04.0']);
  });

  it('is given back by a next process, which knows only what was noted', async () => {
    const { holder, next, writes, deassigned } = await kernel('e1000e');
    await holder.take(address);
    await new HostChanges(notes).make(address, { what: 'quarantine' }, () => undefined);
    writes.length = 0;
    const undo = await next().take(address);
    expect(writes).toEqual([]);
    await undo();
    expect(writes).toEqual([...givenBack, 'drivers/e1000e/bind=0000:00:04.0']);
    expect(deassigned).toEqual([`${0x7ff1} ${address}`]);
  });

  it.each([
    ['unbind', ['driver/unbind=0000:00:04.0', ...taken]],
    [NO_DRIVER, taken],
    ['power/control', taken.slice(1)],
    ['enable', taken.slice(2)],
  ])('whose process died before %s was written is taken as if it had not', async (last, rest) => {
    const { folder, next, writes, made } = await kernel('e1000e');
    let dead = false;
    const dying: WriteAttribute = async (path, value) => {
      dead ||= `${path}=${value}`.includes(last);
      // The process is gone: what it waits for never comes.
      if (dead) return new Promise(() => undefined);
      if (path.endsWith('/unbind')) await unlink(join(folder, 'driver'));
      else await writeFile(path, `${value}\n`);
    };
    const changes = new HostChanges(notes);
    const first = noDriverHolder({
      sysfs: made.root,
      write: dying,
      changes,
      permissions: { deassign: () => undefined },
      handlers: { unbind: async () => undefined },
    });
    void first.take(address);
    await expect.poll(() => dead).toBe(true);
    const undo = await next().take(address);
    expect(writes).toEqual(rest);
    await undo();
    expect(writes.slice(rest.length)).toEqual([...givenBack, 'drivers/e1000e/bind=0000:00:04.0']);
    expect(noted()).toEqual([]);
  });

  it('is not taken from the kernel module', async () => {
    const { holder, writes } = await kernel('pciback');
    await expect(holder.take(address)).rejects.toMatchObject({
      code: 'DEVICE_NOT_SEIZABLE',
      solve: expect.stringContaining('xl pci-assignable-remove 0000:00:04.0'),
    });
    expect(writes).toEqual([]);
  });

  it('goes back to its driver when a step is refused', async () => {
    const { holder, writes } = await kernel('e1000e', { 'enable=1': 16 });
    await expect(holder.take(address)).rejects.toMatchObject({ errno: 16 });
    expect(writes.slice(4)).toEqual(['power/control=auto', 'driver_override=', 'drivers/e1000e/bind=0000:00:04.0']);
    expect(noted()).toEqual([]);
  });

  it('that was removed meanwhile is forgotten', async () => {
    const { holder, writes } = await kernel('e1000e');
    const undo = await holder.take(address);
    const before = writes.length;
    await rm(join(tree?.root ?? '', 'devices', place), { recursive: true });
    await rm(join(tree?.root ?? '', 'bus/pci/devices/0000:00:04.0'), { force: true });
    await undo();
    expect(writes.length).toBe(before);
    expect(noted()).toEqual([]);
  });

  it('may have been disabled by somebody, and its driver may be unloaded', async () => {
    const { holder } = await kernel('e1000e', { 'enable=0': 5, 'drivers/e1000e/bind=0000:00:04.0': 2 });
    await (await holder.take(address))();
    expect(noted()).toEqual([]);
  });

  it('stays noted where it could not be given back, and can be given back again', async () => {
    const refusals: Record<string, number> = { 'driver_override=': 12 };
    const { holder } = await kernel('e1000e', refusals);
    const undo = await holder.take(address);
    await expect(undo()).rejects.toMatchObject({ errno: 12 });
    expect(noted()).toEqual(['driver', 'override']);
    delete refusals['driver_override='];
    await undo();
    expect(noted()).toEqual([]);
  });

  it.each([
    [undefined, 0x020000, { holder: 'free', seizable: true }],
    ['e1000e', 0x020000, { holder: 'e1000e', seizable: true }],
    ['pciback', 0x020000, { holder: 'pciback', seizable: false }],
    ['pcieport', 0x060400, { holder: 'pcieport', seizable: false }],
  ])('with driver %s and class %i is told of', async (driver, code, listed) => {
    const { holder } = await kernel(undefined);
    expect(holder.describe(driver, code)).toEqual(listed);
  });
});
