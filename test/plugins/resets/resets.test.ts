// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bdf, bdf, formatBdf } from '../../../core/bdf.ts';
import type { PciIdentity } from '../../../core/platform/index.ts';
import { type ImageBuilder, image } from '../../../plugins/platforms/embedded/image.ts';
import { type DeviceImage, sample } from '../../../plugins/platforms/embedded/index.ts';
import { knownOf, knownResets, termsOf } from '../../../plugins/resets/known.ts';
import { resetMethods } from '../../../plugins/resets/methods.ts';
import { planOf } from '../../../plugins/resets/plan.ts';
import { runReset } from '../../../plugins/resets/reset-run.ts';
import { commandContext } from '../../kit/command-context.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { unfolded } from '../commands/built.ts';

const identity = (parts: Partial<PciIdentity>): PciIdentity => ({
  bdf: bdf(0, 1, 0),
  vendor: 0x8086,
  device: 0x10d3,
  subsystemVendor: 0,
  subsystemDevice: 0,
  class: 0x020000,
  revision: 0,
  headerType: 0,
  configSize: 4096,
  virtualFunction: false,
  ...parts,
});

describe('what is known of resets', () => {
  it('names methods that there are, and a reason', () => {
    const names = resetMethods.map(({ name }) => name);
    for (const { broken = [], delay, why } of knownResets) {
      expect(broken.filter((name) => !names.includes(name))).toEqual([]);
      expect(broken.length > 0 || (delay ?? 0) > 0).toBe(true);
      expect(why).not.toBe('');
    }
  });

  it.each([
    ['an id', { vendor: 0x1022, device: 0x149c }, ['flr', 'af_flr'], 0],
    ['an id and a revision', { vendor: 0xd063, device: 0x1000, revision: 1 }, ['flr', 'af_flr'], 0],
    ['another revision', { vendor: 0xd063, device: 0x1000, revision: 2 }, [], 0],
    ['a part of the id', { vendor: 0x10de, device: 0x237f }, ['bus', 'cxl_bus'], 0],
    ['beside that part', { vendor: 0x10de, device: 0x2380 }, [], 0],
    ['a class', { vendor: 0x1002, device: 0x1234, class: 0x030000 }, ['pm'], 0],
    ['another class of that vendor', { vendor: 0x1002, device: 0x1234, class: 0x040300 }, [], 0],
    ['a device that needs time', { vendor: 0x8086, device: 0x0953 }, [], 250],
    ['one of which nothing is known', {}, [], 0],
  ])('is found by %s', (_, parts, without, delay) => {
    expect(termsOf(knownOf(identity(parts)))).toEqual({ without, delay });
  });
});

describe('a plan', () => {
  const verdicts = (
    offered: readonly string[] | undefined,
    parts: Partial<PciIdentity> = {},
    siblings: readonly string[] = [],
  ) =>
    Object.fromEntries(
      planOf(offered, knownOf(identity(parts)), siblings).methods.map(({ name, verdict, shares }) => [
        name,
        shares.length === 0 ? verdict : `${verdict}, ${shares}`,
      ]),
    );
  it('is the host’s order, without what is known to be broken', () => {
    expect(verdicts(['pm', 'flr'])).toMatchObject({ pm: 'first', flr: 'next', bus: 'not offered' });
    expect(Object.keys(verdicts(['pm', 'flr'])).slice(0, 2)).toEqual(['pm', 'flr']);
    expect(verdicts(['flr', 'pm', 'bus'], { vendor: 0x1022, device: 0x7901 })).toMatchObject({
      flr: 'refused',
      pm: 'first',
      bus: 'next',
    });
  });
  it('says who shares the bus', () => {
    expect(verdicts(['flr'], {}, ['0000:01:00.1 (snd)']).bus).toBe('not offered, 0000:01:00.1 (snd)');
  });
  it('has a method of the host that has no name here', () => {
    expect(verdicts(['new_one'])).toMatchObject({ new_one: 'first', flr: 'not offered' });
  });
  it('offers nothing where the host does not tell', () => {
    expect(new Set(Object.values(verdicts(undefined)))).toEqual(new Set(['not offered']));
  });
});

describe('pciback reset --plan, and the resets that follow it', () => {
  let home: string;
  let path: string;
  let host: EmbeddedHost;
  const at = bdf(0, 7, 0);
  /** A function with a function-level reset and one by power states. */
  const both = (vendor: number, device: number): DeviceImage =>
    ((to: ImageBuilder): DeviceImage =>
      to.capability(0x40, 0x10, [0x02, 0x00, 0xc0, 0x8c, 0, 0x10]).capability(0x80, 0x01, [0x03, 0, 0, 0]).build())(
      image({ bdf: at, name: 'both', vendor, device, class: 0x0c0330, configSize: 4096 }).bar(0, {
        start: 0xe0000000n,
        size: 0x1000,
        kind: 'memory32',
      }),
    );
  const start = async (...devices: readonly DeviceImage[]): Promise<void> => {
    host = await startEmbeddedHost({ devices, config: { control: path } });
  };
  const plan = async (address: Bdf): Promise<string[]> => {
    const { context, printed } = commandContext({ control: path, plan: formatBdf(address) });
    expect(await runReset(context)).toBe(0);
    const rows = unfolded(printed.join('\n')).split('\n');
    return rows.map((line) => line.trim().split(/ {2,}/).join(' | '));
  };
  const resets = (): readonly string[] => host.platform.hypervisor.trace.filter((line) => line.startsWith('reset '));

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'pciback-reset-'));
    path = join(home, 'control.sock');
  });
  afterEach(async () => {
    await host.close();
    rmSync(home, { recursive: true });
  });

  it('a method that is known not to work is refused, and not tried', async () => {
    await start(both(0x1022, 0x149c));
    await host.pciback.stub.seize(at);
    expect(resets()).toEqual(['reset 0000:07:00.0 pm']);
    expect(await plan(at)).toEqual(
      expect.arrayContaining([
        'flr | function-level reset, PCI Express | refused: its function-level reset does not work',
        'pm | power state D3hot and back | tried first',
      ]),
    );
    expect(resets()).toHaveLength(1);
  });

  it('a device of which nothing is known is reset as the host does', async () => {
    await start(both(0x1234, 0x5678));
    await host.pciback.stub.seize(at);
    expect(resets()).toEqual(['reset 0000:07:00.0 flr']);
    expect(await plan(at)).toEqual(
      expect.arrayContaining([
        'flr | function-level reset, PCI Express | tried first',
        'pm | power state D3hot and back | tried next',
      ]),
    );
  });

  it('who shares a bus below a bridge is told', async () => {
    const other = { ...both(0x1234, 0x9999), bdf: bdf(0, 1, 1), holder: 'snd' };
    await start(sample('root-port'), sample('e1000e'), other);
    await host.pciback.stub.seize(sample('e1000e').bdf);
    expect((await plan(sample('e1000e').bdf)).find((line) => line.startsWith('bus'))).toBe(
      'bus | reset of the slot or the bus | not offered: other functions share it; shared with 0000:01:00.1 (snd)',
    );
  });

  it('needs the address, and a seized device', async () => {
    await start(both(0x1234, 0x5678));
    const run = (options: Record<string, string>) => runReset(commandContext({ control: path, ...options }).context);
    await expect(run({})).rejects.toMatchObject({ code: 'USAGE' });
    await expect(run({ plan: '0000:07:00.0' })).rejects.toMatchObject({ code: 'DEVICE_NOT_SEIZED' });
  });
});
