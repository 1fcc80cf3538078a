// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import type { PciResource, Platform } from '../../../core/platform/index.ts';
import { ResourceFlag } from '../../../core/platform/pci.ts';
import type { DeviceImage } from '../../../plugins/platforms/embedded/image.ts';
import { sample } from '../../../plugins/platforms/embedded/index.ts';
import type { RcFile } from '../../../plugins/program/config.ts';
import { runRelease, runSeize } from '../../../plugins/seizing/seizing-run.ts';
import { commandContext } from '../../kit/command-context.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

const [nic, card] = [sample('rtl8139'), sample('e1000e')];
const [first, second] = [nic, card].map(({ bdf }) => formatBdf(bdf)) as [string, string];

let home: string;
let host: EmbeddedHost;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-seize-'));
});
afterEach(async () => {
  await host.close();
  rmSync(home, { recursive: true });
});

const start = async (
  config: RcFile = {},
  devices: readonly DeviceImage[] = [nic, card],
  between: (platform: Platform) => Platform = (platform) => platform,
): Promise<void> => {
  host = await startEmbeddedHost({ devices, between, config: { ...config, control: join(home, 'control.sock') } });
};

/** What a command prints, and its status. */
const run = async (
  command: typeof runSeize,
  words: readonly string[],
  options: Record<string, string | boolean> = {},
): Promise<{ readonly status: number; readonly printed: readonly string[] }> => {
  const { context, printed } = commandContext({ control: join(home, 'control.sock'), ...options }, words);
  return { status: await command(context), printed };
};
const held = (): string[] => host.pciback.stub.devices.map((one) => formatBdf(one.bdf)).sort();

describe('pciback seize and release', () => {
  it('take what is named from the host and give it back, saying who has it', async () => {
    await start();
    expect(await run(runSeize, [first.slice(5), '8086:10d3'])).toEqual({
      status: 0,
      printed: [
        'device        before  now',
        `${first}  free    pciback  seized`,
        `${second}  free    pciback  seized`,
      ].map((line) => expect.stringMatching(new RegExp(`^${line.replaceAll('  ', ' +')}`))),
    });
    expect(held()).toEqual([first, second].sort());
    expect((await run(runSeize, [first])).printed[1]).toMatch(/pciback +pciback +seized already$/);
    expect(await run(runRelease, [`(${first})(${second})`])).toMatchObject({ status: 0 });
    expect(held()).toEqual([]);
  });

  it('say of each what is refused, with the next step, and go on with the others', async () => {
    await start({}, [{ ...nic, holder: '8139too' }, card]);
    const { status, printed } = await run(runSeize, ['10ec:8139', '8086:10d3']);
    expect(status).toBe(1);
    const text = printed.join(' ').replace(/ +/g, ' ');
    expect(text).toContain(`${first} 8139too 8139too refused: ${first} cannot be seized: it is held by 8139too.`);
    expect(text).toContain(`echo ${first} > /sys/bus/pci/drivers/8139too/unbind`);
    expect(text).toContain(`${second} free pciback seized`);
    expect(Math.max(...printed.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(held()).toEqual([second]);
  });

  it('leave what a guest has with it', async () => {
    await start();
    const guest = await host.guest([nic.bdf]);
    await guest.reached(4);
    const { status, printed } = await run(runRelease, [first], { json: true });
    expect(status).toBe(1);
    expect(JSON.parse(printed.join(''))).toMatchObject({
      devices: [{ bdf: first, state: 'refused', why: expect.stringContaining(`domain ${guest.domain}`) }],
    });
    expect(held()).toEqual([first]);
  });

  it('touch nothing when one name means nothing, or is none', async () => {
    await start();
    await expect(run(runSeize, [second, '0000:7f:00.0'])).rejects.toMatchObject({ code: 'PATTERN_NOTHING' });
    await expect(run(runSeize, [second, 'fffe:*'])).rejects.toMatchObject({ code: 'PATTERN_NOTHING' });
    await expect(run(runSeize, [second, '03:00'])).rejects.toMatchObject({ code: 'PATTERN_SYNTAX' });
    await expect(run(runRelease, [second])).rejects.toThrow(/^what is seized has nothing that /);
    await expect(run(runSeize, [first], { allow: 'inuse' })).rejects.toMatchObject({
      code: 'USAGE',
      facts: { nearest: 'in-use' },
    });
    expect(held()).toEqual([]);
  });

  it('name the address that was probably meant', async () => {
    await start();
    const wrong = first.replace(/.$/, '1');
    await expect(run(runSeize, [wrong])).rejects.toThrow(new RegExp(`Perhaps you meant "${first}"`));
  });
});

/** A platform whose host works with one function. */
const withUses =
  (uses: readonly string[]) =>
  (platform: Platform): Platform => ({
    ...platform,
    pci: Object.assign(Object.create(platform.pci), {
      usesOf: async (address: number) => (address === nic.bdf ? uses : []),
    }),
  });

describe('what the host uses', () => {
  const uses = ['network eth0 has the default route'];

  it('is not taken, at the start neither, and the log says what to do', async () => {
    await start({ hide: [first, second] }, [nic, card], withUses(uses));
    expect(held()).toEqual([second]);
    expect(host.lines).toContainEqual(
      expect.objectContaining({
        message: 'device not seized',
        facts: expect.objectContaining({
          bdf: first,
          error: `${first} is in use by this host: ${uses[0]}`,
          next: expect.stringContaining('--allow in-use'),
        }),
      }),
    );
    expect((await run(runSeize, [first])).status).toBe(1);
    expect(held()).toEqual([second]);
  });

  it('is taken when that is allowed for it: at run time until it is released', async () => {
    await start({}, [nic, card], withUses(uses));
    expect((await run(runSeize, [first], { allow: 'in-use' })).status).toBe(0);
    await run(runRelease, [first]);
    expect((await run(runSeize, [first])).status).toBe(1);
  });

  it.each<[RcFile, string[]]>([
    [{ allowInUse: [first] }, [first]],
    [{ allowInUse: '(10ec:8139)' }, [first]],
    [{ allowInUse: [second] }, []],
  ])('is taken when the rc file allows it: %j', async (config, expected) => {
    await start({ ...config, hide: [first] }, [nic, card], withUses(uses));
    expect(held()).toEqual(expected);
  });
});

describe('a page of memory with BARs of two devices', () => {
  const memory = (start: bigint, size: bigint): PciResource => ({ start, size, flags: ResourceFlag.memory });
  const nothing: PciResource = { start: 0n, size: 0n, flags: 0 };
  const at = (image: DeviceImage, start: bigint, size: bigint, holder?: string): DeviceImage => ({
    ...image,
    resources: image.resources.map((one, index) =>
      index === (image === nic ? 1 : 0)
        ? memory(start, size)
        : index === 6 || (one.flags & ResourceFlag.io) !== 0
          ? one
          : nothing,
    ),
    ...(holder === undefined ? {} : { holder }),
  });
  const mine = at(nic, 0xfebc1000n, 0x100n);

  it('is not given to a guest while the host has the other one', async () => {
    await start({}, [mine, at(card, 0xfebc1800n, 0x100n, 'e1000e')]);
    const { printed } = await run(runSeize, [first]);
    expect(printed.join(' ').replace(/ +/g, ' ')).toContain(
      `seized: BAR 1 has page 0xfebc1000 together with BAR 0 of ${second}, which driver e1000e of the host has`,
    );
    const domain = await host.platform.toolstack.create({ devices: [nic.bdf], name: 'acme' });
    await host.platform.startGuest({ domain });
    await expect
      .poll(() => host.lines.map(({ facts }) => JSON.stringify(facts)).join('\n'), { timeout: 20_000 })
      .toContain(`${first} cannot be given to domain ${domain}: BAR 1 has page 0xfebc1000`);
    expect(host.pciback.stub.devices[0]?.assignment).toBeUndefined();
  });

  it('is given when that is allowed, or both are of one guest', async () => {
    await start({ allowSharedPages: ['10ec:8139'] }, [mine, at(card, 0xfebc1800n, 0x100n, 'e1000e')]);
    const guest = await host.guest([nic.bdf]);
    await guest.reached(4);
    expect(host.pciback.stub.devices[0]?.assignment?.tenant.domain).toBe(guest.domain);
    await host.close();
    await start({}, [mine, at(card, 0xfebc1800n, 0x100n)]);
    const both = await host.guest([nic.bdf, card.bdf]);
    await both.reached(4);
    expect(host.pciback.stub.devices.map(({ assignment }) => assignment?.tenant.domain)).toEqual([
      both.domain,
      both.domain,
    ]);
  });

  it('is nothing where each has pages of its own', async () => {
    await start({}, [mine, at(card, 0xfebc2000n, 0x100n, 'e1000e')]);
    const guest = await host.guest([nic.bdf]);
    await guest.reached(4);
    expect(host.pciback.stub.devices[0]?.assignment?.tenant.domain).toBe(guest.domain);
  });
});
