// SPDX-License-Identifier: MIT

import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Pciback } from '../../../core/pciback.ts';
import { Connection } from '../../../core/xenbus/connection.ts';
import { sample } from '../../../plugins/platforms/embedded/index.ts';
import rehearsal from '../../../plugins/rehearsal/plugin.ts';
import { rehearseTakeOver } from '../../../plugins/rehearsal/rehearsal-run.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

let host: EmbeddedHost | undefined;
afterEach(() => host?.close());

const nic = sample('e1000e');
const start = async (): Promise<EmbeddedHost> => {
  host = await startEmbeddedHost({ devices: [nic], plugins: [rehearsal] });
  return host;
};
const health = ({ parts }: EmbeddedHost) => parts.reports().find(({ name }) => name === 'rehearsal')?.health;

describe('the rehearsal', () => {
  it('serves a guest of its own to its end, of whom this host sees nothing', async () => {
    const here = await start();
    await vi.waitFor(() => expect(health(here)).toMatch(/^done in \d+ ms$/), { timeout: 20_000 });
    expect(here.pciback.guests()).toEqual([]);
    expect(here.pciback.stub.devices).toEqual([]);
    expect(here.lines.filter(({ level }) => level !== 'debug' && level !== 'info')).toEqual([]);
    const guest = await here.guest([nic.bdf]);
    expect((await guest.reached(4)).devices).toMatchObject([{ device: 0x10d3 }]);
  });

  it('takes a guest over too where a process stands by, and leaves nothing', async () => {
    const before = readdirSync(tmpdir());
    const here = await start();
    await vi.waitFor(() => expect(health(here)).toMatch(/^done/), { timeout: 20_000 });
    const started = vi.spyOn(Pciback.prototype, 'start');
    const resumed = vi.spyOn(Connection.prototype, 'show');
    await rehearseTakeOver(here.plugins);
    expect(started).toHaveBeenCalledTimes(2);
    expect(resumed.mock.calls.length).toBeGreaterThanOrEqual(2);
    vi.restoreAllMocks();
    expect(here.pciback.guests()).toEqual([]);
    expect(here.lines.filter(({ level }) => level !== 'debug' && level !== 'info')).toEqual([]);
    expect(readdirSync(tmpdir())).toEqual(before);
  });

  it('ends at its next step when the service ends', async () => {
    const here = await start();
    await vi.waitFor(() => expect(health(here)).toBe('to come'));
    await expect(here.pciback.stop()).resolves.toMatchObject({ assigned: 0 });
    expect(here.parts.reports().find(({ name }) => name === 'rehearsal')?.state).toBe('stopped');
  });
});
