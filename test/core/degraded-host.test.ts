// SPDX-License-Identifier: MIT

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Command, Status } from '../../core/ring/layout.ts';
import type { SeizedDevice } from '../../core/stub/index.ts';
import type { IncludedGuest } from '../../plugins/platforms/embedded/index.ts';
import { sample } from '../../plugins/platforms/embedded/sources.ts';
import { degraded } from '../kit/degraded.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../kit/embedded-host.ts';

const ROOT = join(import.meta.dirname, '../..');
const [nic, other] = [sample('igb'), sample('rtl8139')];

let host: EmbeddedHost | undefined;
afterEach(async () => {
  await host?.close();
  host = undefined;
});

const read = (guest: IncludedGuest, offset: number, size = 4) =>
  guest.request({ cmd: Command.confRead, domain: 0, bus: 0, devfn: 0, offset, size });
const write = (guest: IncludedGuest, offset: number, size: number, value: number) =>
  guest.request({ cmd: Command.confWrite, domain: 0, bus: 0, devfn: 0, offset, size, value });

const returned = async (device: SeizedDevice): Promise<void> => {
  while (device.assignment !== undefined) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('a degraded host', () => {
  it('a function that is removed under its guest answers ones, and goes to nobody else', async () => {
    const world = await startEmbeddedHost({ devices: [nic, other], config: { shutdownSeconds: 0.05 } });
    host = world;
    const guest = await world.guest([nic.bdf], { driver: 'none' });
    const bystander = await world.guest([other.bdf], { driver: 'none' });
    await Promise.all([guest.reached(4), bystander.reached(4)]);
    const model = world.platform.pci.model(nic.bdf);
    const device = world.pciback.stub.devices.find(({ bdf }) => bdf === nic.bdf);
    if (device === undefined) throw new Error('not seized');
    const ones = (size: number): number => 2 ** (8 * size) - 1;
    Object.assign(device.operations.hardware, {
      readConfig: (_offset: number, size: number) => ones(size),
      writeConfig: () => {},
    });
    let shown = 0;
    for (let offset = 0; offset < 256; offset += 4) {
      const { err, value } = await read(guest, offset);
      expect([offset, err]).toEqual([offset, Status.success]);
      if (value >>> 0 === 0xffff_ffff) shown++;
    }
    expect(shown).toBeGreaterThan(32);
    expect((await read(bystander, 0)).value).not.toBe(0xffff_ffff);
    // Whatever its driver does about that: it gets an answer each time.
    const express = model.capability(0x10) ?? 0;
    for (const [offset, value] of [
      [4, 0x6],
      [express + 8, 0x8000],
    ] as const) {
      const { err } = await write(guest, offset, 2, value);
      expect(err).toBeLessThanOrEqual(0);
    }
    await guest.stop();
    await world.platform.toolstack.destroy(guest.domain);
    await returned(device);
    expect(device.quarantine).toMatch(/does not answer/);
    expect((await read(bystander, 0)).err).toBe(Status.success);
  });

  it('a reset that never ends holds up its own guest only', async () => {
    let hangs = true;
    const world = await startEmbeddedHost({
      devices: [nic, other],
      config: { shutdownSeconds: 0.05, deadlines: { reset: 0.3 } },
    });
    host = world;
    const guest = await world.guest([nic.bdf], { driver: 'none' });
    await guest.reached(4);
    const device = world.pciback.stub.devices.find(({ bdf }) => bdf === nic.bdf);
    if (device === undefined) throw new Error('not seized');
    const { hardware } = device.operations;
    const reset = hardware.reset.bind(hardware);
    Object.assign(hardware, { reset: () => (hangs ? new Promise(() => {}) : reset()) });
    const express = world.platform.pci.model(nic.bdf).capability(0x10) ?? 0;
    const asked = write(guest, express + 8, 2, 0x8000);
    const bystander = await world.guest([other.bdf], { driver: 'none' });
    await bystander.reached(4);
    expect((await read(bystander, 0)).err).toBe(Status.success);
    expect((await asked).err).toBe(Status.opFailed);
    expect((await read(guest, 0)).err).toBe(Status.success);
    await guest.stop();
    await world.platform.toolstack.destroy(guest.domain);
    await returned(device);
    expect(device.quarantine).toMatch(/no answer within 0.3 s/);
    hangs = false;
  });

  it('no deadline or limit is counted on the clock of the wall', () => {
    // Times that people read, or other programs; and when a file was written, which has no other clock.
    const allowed = [
      'plugins/commands/logger.ts',
      'plugins/commands/serve-run.ts',
      'plugins/control/watch-run.ts',
      'plugins/control/watch-view.ts',
      'plugins/health/operations.ts',
      'plugins/metrics/families-report.ts',
      'plugins/program/lock-owner.ts',
      'plugins/program/reload.ts',
      'plugins/supervisor/crash-run.ts',
    ];
    const files = ['core', 'plugins'].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => `${folder}/${file}`),
    );
    expect(files.length).toBeGreaterThan(150);
    const wall = files.filter((file) => /\bDate\b(?!\w)/.test(code(readFileSync(join(ROOT, file), 'utf8'))));
    expect(wall.filter((file) => !allowed.includes(file))).toEqual([]);
  });

  it('is shown, fault by fault, by tests that there are', () => {
    for (const { fault, tests } of degraded) {
      expect(tests.length, fault).toBeGreaterThan(0);
      for (const [file, title] of tests) {
        const text = existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), 'utf8') : '';
        expect(text.includes(title), `${file}: ${title}`).toBe(true);
      }
    }
  });
});

/** A source without its comments. */
const code = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
