// SPDX-License-Identifier: MIT

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Engine } from '../../../../core/pciback.ts';
import { Errno, HostError } from '../../../../core/platform/index.ts';
import type { RunningPart } from '../../../../plugins/kinds/part.ts';
import { createEmbeddedPlatform, type EmbeddedPlatform } from '../../../../plugins/platforms/embedded/index.ts';
import { type DropInPlaces, setUp } from '../../../../plugins/platforms/xen/drop-in-run.ts';
import { recordingLog } from '../../../kit/embedded-host.ts';

let root: string;
let platform: EmbeddedPlatform;
let guestsLeft: string[];
let part: RunningPart | undefined;
let record: ReturnType<typeof recordingLog>;
/** What was offered to all drivers, in order. */
let offered: string[];

const bus = () => join(root, 'bus/xen-backend');
const autoprobe = () => readFileSync(join(bus(), 'drivers_autoprobe'), 'utf8').trim();
const note = () => join(root, 'run/autoprobe');

/** A device as the kernel makes it, without a driver. */
const appears = (name: string): void => void mkdirSync(join(bus(), 'devices', name), { recursive: true });
const isBound = (name: string): boolean => existsSync(join(bus(), 'devices', name, 'driver'));

/** The kernel: `vif` and `vbd` have drivers, and `pci` the back end of the module. */
const write = async (path: string, value: string): Promise<void> => {
  if (!path.endsWith('drivers_probe')) return writeFileSync(path, `${value}\n`);
  offered.push(value);
  if (value.startsWith('broken')) throw new HostError(`write of ${path}`, Errno.EINVAL);
  if (/^(vif|vbd|pci)-/.test(value)) symlinkSync(join(bus(), 'drivers'), join(bus(), 'devices', value, 'driver'));
};

const begin = async (more: Partial<DropInPlaces> = {}): Promise<RunningPart> => {
  record = recordingLog();
  const guests = {
    *[Symbol.iterator]() {
      for (const name of guestsLeft) yield [name, {}];
    },
  };
  const engine = { platform, stub: { journal: { guests } } } as unknown as Engine;
  const loadModule = async (): Promise<void> => undefined;
  part = await setUp({ engine, log: record.log }, { sysfs: root, note: note(), write, loadModule, ...more });
  return part;
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pciback-drop-in-'));
  mkdirSync(join(bus(), 'devices'), { recursive: true });
  mkdirSync(join(bus(), 'drivers'));
  mkdirSync(join(root, 'bus/pci/drivers/pciback'), { recursive: true });
  writeFileSync(join(bus(), 'drivers_autoprobe'), '1\n');
  platform = createEmbeddedPlatform({ devices: [] });
  guestsLeft = [];
  offered = [];
});
afterEach(async () => {
  await part?.stop?.();
  part = undefined;
  await platform.close();
  rmSync(root, { recursive: true });
});

/** The toolstack has written nodes of a back end, of which the kernel makes a device a little later. */
const announced = async (kind: string, name: string): Promise<void> => {
  await platform.xenstore.write(`/local/domain/0/backend/${kind}/3/0/state`, '1');
  setTimeout(() => appears(name), 50);
};

describe('drop-in mode sets itself up', () => {
  it('keeps the kernel from new guests, binds what is not PCI, and puts all back', async () => {
    appears('vif-1-0');
    appears('pci-1-0');
    await begin();
    expect(autoprobe()).toBe('0');
    await vi.waitFor(() => expect(isBound('vif-1-0')).toBe(true), 5000);
    await announced('vbd', 'vbd-3-51712');
    await vi.waitFor(() => expect(isBound('vbd-3-51712')).toBe(true), 5000);
    expect(isBound('pci-1-0')).toBe(false);
    expect(part?.counters?.()).toEqual({ bound: 2, refused: 0 });
    await part?.stop?.();
    part = undefined;
    expect(autoprobe()).toBe('1');
    expect(existsSync(note())).toBe(false);
  });

  it('leaves a bus alone that was told so before', async () => {
    writeFileSync(join(bus(), 'drivers_autoprobe'), '0\n');
    appears('vif-1-0');
    const { health, stop } = await begin();
    await announced('vif', 'vif-3-0');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(offered).toEqual([]);
    expect(health?.()).toContain('was 0 before');
    await stop?.();
    expect(autoprobe()).toBe('0');
  });

  it('goes on where an earlier process died, and puts back what that one found', async () => {
    await begin();
    appears('vif-1-0');
    await begin();
    await vi.waitFor(() => expect(isBound('vif-1-0')).toBe(true), 5000);
    await part?.stop?.();
    expect(autoprobe()).toBe('1');
  });

  it('puts nothing back while guests wait for a next process', async () => {
    await begin();
    guestsLeft = ['/local/domain/0/backend/pci/3/0'];
    await part?.stop?.();
    part = undefined;
    expect(autoprobe()).toBe('0');
    expect(existsSync(note())).toBe(true);
  });

  it('offers a device once that no driver wants, or that cannot be bound, and says so', async () => {
    appears('vkbd-1-0');
    appears('broken-1-0');
    await begin();
    await vi.waitFor(() => expect(offered).toHaveLength(2), 5000);
    await announced('vif', 'vif-3-0');
    await vi.waitFor(() => expect(isBound('vif-3-0')).toBe(true), 5000);
    expect(offered.sort()).toEqual(['broken-1-0', 'vif-3-0', 'vkbd-1-0']);
    expect(part?.counters?.()).toEqual({ bound: 1, refused: 1 });
    expect(record.lines.filter(({ level }) => level === 'warn').map(({ facts }) => facts.device)).toEqual([
      'broken-1-0',
    ]);
  });

  it('looks at no change of a PCI back end, however many there are', async () => {
    await begin();
    await new Promise((resolve) => setTimeout(resolve, 600));
    appears('vif-9-0');
    for (let i = 0; i < 50; i++) await platform.xenstore.write('/local/domain/0/backend/pci/3/0/state', String(i % 7));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(offered).toEqual([]);
  });

  it('loads the module of the kernel, and says what to do when there is none', async () => {
    rmSync(join(root, 'bus/pci'), { recursive: true });
    let loaded = 0;
    await begin({ loadModule: async () => void loaded++ });
    expect(loaded).toBe(1);
    await part?.stop?.();
    await begin({ loadModule: async () => Promise.reject(new Error('not found')) });
    expect(record.lines).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        message: 'kernel module not loaded',
        facts: expect.objectContaining({ next: expect.stringContaining('Load xen-pciback') }),
      }),
    );
  });
});
