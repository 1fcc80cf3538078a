// SPDX-License-Identifier: MIT

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bdf } from '../../../core/bdf.ts';
import { Command } from '../../../core/ring/layout.ts';
import learning from '../../../plugins/observe/recorder.ts';
import { parseRecording } from '../../../plugins/observe/recording.ts';
import type { IncludedGuest } from '../../../plugins/platforms/embedded/index.ts';
import { defineQuirk, register } from '../../../quirks/index.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

let home: string;
let host: EmbeddedHost;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'pciback-policy-'));
  host = await startEmbeddedHost({ config: { fields: 'kernel' } });
});
afterEach(async () => {
  await host.close();
  rmSync(home, { recursive: true });
});

const bdfOf = async (device: number): Promise<Bdf> => {
  const found = (await host.platform.pci.list()).find((one) => one.device === device);
  if (found === undefined) throw new Error('no such sample');
  return found.bdf;
};
const end = async (guest: IncludedGuest): Promise<void> => {
  await guest.stop();
  await host.platform.toolstack.destroy(guest.domain);
  while (host.pciback.guests().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
};
const recordings = (directory: string) =>
  existsSync(directory)
    ? readdirSync(directory).map((name) => parseRecording(readFileSync(join(directory, name), 'utf8'), name))
    : [];

const write = { cmd: Command.confWrite, domain: 0, bus: 0, devfn: 0, offset: 0x108, size: 4, value: 0x00100000 };
const read = { ...write, cmd: Command.confRead, value: 0 };

describe('the policy learn', () => {
  it('writes one file per guest and device, for its own user alone, with every access in order', async () => {
    const directory = join(home, 'new/recordings');
    await host.plugins.load(learning, { directory }, 'test');
    const guest = await host.guest([await bdfOf(0x10d3), await bdfOf(0x1659)], { name: 'work' });
    await guest.reached(4);
    expect(recordings(directory)).toEqual([]);
    const requests = host.pciback.guests()[0]?.requests ?? {};
    await end(guest);
    const found = recordings(directory);
    expect(found.map((one) => one.device.device).sort()).toEqual([0x10d3, 0x1659]);
    const made = found.reduce((sum, one) => sum + one.accesses.length, 0);
    const sent = (requests.conf_read ?? 0) + (requests.conf_write ?? 0);
    // Scans of empty slots reach no device; when the drivers stop some more do.
    expect(made).toBeGreaterThan(100);
    expect(made).toBeLessThanOrEqual(sent + 20);
    expect(found[0]?.accesses[0]).toMatchObject({ kind: 'read', offset: 0, size: 4 });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
  });

  it('records a guest that is running already, and goes on through changes of quirks', async () => {
    const guest = await host.guest([await bdfOf(0x10d3)], { driver: 'none' });
    await guest.reached(4);
    await guest.request(write);
    await host.plugins.load(learning, { directory: home }, 'test');
    await guest.request(write);
    const fields = [register(0x108, 32, 'mask').writable()];
    const quirk = defineQuirk({ name: 'acme/nic', source: 'a test', match: [{ vendor: 0x8086 }], fields });
    await host.plugins.load(quirk, undefined, 'test');
    await guest.request(write);
    host.plugins.unload('acme/nic');
    await guest.request({ ...write, value: 0 });
    await end(guest);
    const writes = recordings(home)[0]?.accesses.filter((one) => one.offset === 0x108);
    expect(writes?.map(({ value, denied, wanted }) => [value, denied, wanted])).toEqual([
      [0x00100000, 0x00100000, 0x00100000],
      [0x00100000, 0, 0],
      [0, 0x00100000, 0x00100000],
    ]);
  });

  it.each([
    ['drop', 0],
    ['pass', 0x00100000],
  ] as const)('with %s a write without a field leaves %i', async (unhandled, left) => {
    await host.plugins.load(learning, { directory: home, unhandled }, 'test');
    const guest = await host.guest([await bdfOf(0x10d3)], { driver: 'none' });
    await guest.reached(4);
    await guest.request(write);
    expect((await guest.request(read)).value).toBe(left);
  });

  it('is for the devices that it names', async () => {
    await host.plugins.load(learning, { directory: home, unhandled: 'pass', devices: ['01:00.*'] }, 'test');
    const guest = await host.guest([await bdfOf(0x10d3), await bdfOf(0x1659)]);
    await guest.reached(4);
    const rules = host.pciback.stub.devices.map((one) => one.assignment?.rules);
    expect(rules.map((one) => [one?.unhandled, one?.recorder !== undefined])).toEqual([
      ['permissive', true],
      ['drop', false],
    ]);
    await end(guest);
    expect(recordings(home)).toHaveLength(1);
  });

  it('leaves the word about writes to the configuration when it has none of its own', async () => {
    await host.close();
    host = await startEmbeddedHost({ config: { fields: 'kernel', permissive: ['01:00.*'] } });
    await host.plugins.load(learning, { directory: home }, 'test');
    const guest = await host.guest([await bdfOf(0x10d3)], { driver: 'none' });
    await guest.reached(4);
    expect(host.pciback.stub.devices[0]?.assignment?.rules.unhandled).toBe('permissive');
  });

  it('does not keep a device from its next guest when the file cannot be written', async () => {
    const directory = join(home, 'file');
    writeFileSync(directory, '');
    await host.plugins.load(learning, { directory }, 'test');
    const guest = await host.guest([await bdfOf(0x10d3)], { driver: 'none' });
    await guest.reached(4);
    await end(guest);
    expect(host.lines.map((line) => line.message)).toContain('session not written');
    expect(host.pciback.stub.devices[0]?.quarantine).toBeUndefined();
  });

  it.each([
    [{ device: [] }, /"devices"|device/],
    [{ unhandled: 'permissive' }, /unhandled/],
    [{ devices: ['zz'] }, /zz/],
  ])('refuses the options %j', async (options, why) => {
    await expect(host.plugins.load(learning, options, 'test')).rejects.toThrow(why);
  });
});
