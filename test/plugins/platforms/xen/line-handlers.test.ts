// SPDX-License-Identifier: MIT

import { mkdir, mkdtemp, readFile, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBdf } from '../../../../core/bdf.ts';
import type { PciFunction } from '../../../../core/platform/index.ts';
import { LineHandlers } from '../../../../plugins/platforms/xen/line-handlers.ts';
import type { LineEar, LineHearing } from '../../../../plugins/platforms/xen/line-hearing.ts';
import { HostChanges } from '../../../../plugins/platforms/xen/stand-alone-changes.ts';
import { NO_DRIVER } from '../../../../plugins/platforms/xen/stand-alone-holder.ts';
import type { WriteAttribute } from '../../../../plugins/platforms/xen/sysfs-files.ts';
import { type FakeSysfs, makeSysfs } from './fake-sysfs.ts';

const DRIVER = 'uio_pci_generic';
const LINE = 20;
const DOMAIN = 3;
const text = '0000:00:04.0';
const address = parseBdf(text);
const device = { identity: { bdf: address }, line: LINE } as PciFunction;

let tree: FakeSysfs;
let notes: string;
let writes: string[];
let takes: boolean;
let calls: string[];
let ear: LineEar | undefined;

/** A kernel whose driver takes what is for it. */
const write: WriteAttribute = async (path, value) => {
  const folder = join(tree.root, 'bus/pci/devices', text);
  writes.push(`${path.split('/').slice(-2).join('/')}=${value}`);
  if (path.endsWith('/unbind')) await unlink(join(folder, 'driver'));
  else if (!path.endsWith('/drivers_probe')) await writeFile(path, `${value}\n`);
  else if (takes && (await readFile(join(folder, 'driver_override'), 'utf8')).trim() === DRIVER) {
    await symlink(join(tree.root, 'bus/pci/drivers', DRIVER), join(folder, 'driver'));
    await mkdir(join(folder, 'uio/uio5'), { recursive: true });
  }
};

const hearing: LineHearing = {
  hear(uio, config, told) {
    calls.push(`hear ${uio} ${config.replace(tree.root, '')}`);
    ear = told;
    return { open: (state) => void calls.push(state), drop: (master) => void calls.push(`drop ${master}`) };
  },
  close: async () => undefined,
};

/** As a process has them: what is noted is all it knows of the one before. */
const process = (heard: LineHearing | undefined = hearing) => {
  const changes = new HostChanges(notes);
  return { changes, handlers: new LineHandlers({ sysfs: tree.root, write, changes, hearing: heard }) };
};

beforeEach(async () => {
  notes = await mkdtemp(join(tmpdir(), 'notes-'));
  tree = await makeSysfs([{ place: `pci0000:00/${text}` }], [DRIVER]);
  await writeFile(join(tree.root, 'bus/pci/devices', text, 'driver_override'), `${NO_DRIVER}\n`);
  [writes, calls, takes, ear] = [[], [], true, undefined];
});
afterEach(async () => {
  await tree.remove();
  await rm(notes, { recursive: true });
});

describe('a handler on a line that the host uses too', () => {
  it('is the kernel’s, noted before it is there, and goes with the guest', async () => {
    const { changes, handlers } = process();
    expect(handlers.lacks).toBeUndefined();
    expect(handlers.canClaim(device)).toBe(false);
    await handlers.bind(address, DOMAIN, LINE);
    expect(changes.of(address)).toEqual([{ what: 'handler', domain: DOMAIN, line: LINE }]);
    expect(handlers.canClaim(device)).toBe(true);
    expect(calls).toEqual([`hear /dev/uio5 /bus/pci/devices/${text}/config`]);
    await handlers.unbind(address);
    expect(writes).toEqual([
      `${text}/driver_override=${DRIVER}`,
      `pci/drivers_probe=${text}`,
      `driver/unbind=${text}`,
      `${text}/driver_override=${NO_DRIVER}`,
    ]);
    expect(changes.of(address)).toEqual([]);
    expect(calls.at(-1)).toBe('drop lose');
    expect(handlers.canClaim(device)).toBe(false);
  });

  it('tells the one who claims the line of each interrupt, until that one says it is none of its own', async () => {
    const { handlers } = process();
    await handlers.bind(address, DOMAIN, LINE);
    let handled = 0;
    const claim = handlers.claim(device, 'me', () => (++handled < 4 ? 'handled' : 'not mine'));
    ear?.interrupts(3);
    expect(handled).toBe(3);
    expect(calls.slice(1)).toEqual(['on']);
    ear?.interrupts(1);
    claim.hear?.('on');
    claim.release();
    claim.release();
    expect(calls.slice(1)).toEqual(['on', 'off', 'on', 'off']);
    ear?.interrupts(1);
    expect(handled).toBe(4);
  });

  it('is no user of the host, and another one of the same driver is', async () => {
    const { handlers } = process();
    expect(handlers.withoutOwn(LINE, [DRIVER, 'eth0'])).toEqual([DRIVER, 'eth0']);
    await handlers.bind(address, DOMAIN, LINE);
    expect(handlers.withoutOwn(LINE, [DRIVER, 'eth0', DRIVER])).toEqual(['eth0', DRIVER]);
    expect(handlers.withoutOwn(LINE + 1, [DRIVER])).toEqual([DRIVER]);
  });

  it('is had by a next process, which is told whether the device was bus master', async () => {
    const before = process();
    await before.handlers.bind(address, DOMAIN, LINE);
    ear?.master(true);
    ear?.master(true);
    const { handlers, changes } = process();
    expect(handlers.wasMaster(address)).toBe(true);
    expect(handlers.canClaim(device)).toBe(true);
    handlers.claim(device, 'me', () => 'handled');
    expect(calls.slice(1)).toEqual([calls[0], 'on']);
    ear?.master(false);
    expect(handlers.wasMaster(address)).toBe(false);
    await handlers.unbind(address);
    ear?.master(true);
    expect(changes.of(address)).toEqual([]);
  });

  it('is not had where the driver does not take the function: everything is as before', async () => {
    takes = false;
    const { handlers, changes } = process();
    await expect(handlers.bind(address, DOMAIN, LINE)).rejects.toMatchObject({ name: 'HostError', errno: 19 });
    expect(changes.of(address)).toEqual([]);
    expect(writes.at(-1)).toBe(`${text}/driver_override=${NO_DRIVER}`);
    expect(() => handlers.claim(device, 'me', () => 'handled')).toThrow(expect.objectContaining({ errno: 95 }));
  });

  it('cannot be had without the driver, or without a thread that hears', async () => {
    const { changes } = process();
    expect(new LineHandlers({ sysfs: tree.root, write, changes, hearing: undefined }).lacks).toContain('thread');
    await rm(join(tree.root, 'bus/pci/drivers', DRIVER), { recursive: true });
    expect(process().handlers.lacks).toContain(`modprobe ${DRIVER}`);
  });

  it('of a function that was removed meanwhile is forgotten', async () => {
    const { handlers, changes } = process();
    await handlers.bind(address, DOMAIN, LINE);
    await rm(join(tree.root, 'bus/pci/devices', text));
    await handlers.unbind(address);
    expect(changes.of(address)).toEqual([]);
  });
});
