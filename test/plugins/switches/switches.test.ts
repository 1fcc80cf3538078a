// SPDX-License-Identifier: MIT

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import type { Platform } from '../../../core/platform/index.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { Command } from '../../../core/ring/layout.ts';
import type { SeizedDevice } from '../../../core/stub/index.ts';
import type { HolderSwitches } from '../../../plugins/kinds/platform.ts';
import { type IncludedGuest, sample } from '../../../plugins/platforms/embedded/index.ts';
import { kernelStubHolder } from '../../../plugins/platforms/xen/holders.ts';
import { createSysfsBus } from '../../../plugins/platforms/xen/sysfs-bus.ts';
import { type EmbeddedHost, type EmbeddedHostOptions, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { createRestartableHost } from '../../kit/restartable-host.ts';
import { makeSysfs } from '../platforms/xen/fake-sysfs.ts';

/** A register that no field has. */
const FREE = 0xf8;
const image = sample('rtl8139');
const nic = { ...image, writable: [...(image.writable ?? []), { offset: FREE, size: 4, mask: 0xffffffff } as const] };
const bdf = formatBdf(nic.bdf);

let host: EmbeddedHost;
afterEach(() => host.close());

const start = async (options: EmbeddedHostOptions = {}): Promise<void> => {
  host = await startEmbeddedHost({ devices: [nic], ...options });
};
const device = (): SeizedDevice => {
  const found = host.pciback.stub.devices.find((one) => one.bdf === nic.bdf);
  if (found === undefined) throw new Error('it is not seized');
  return found;
};
const write = async (name: string, text = bdf, off = false): Promise<void> => {
  await host.parts.operations().get('attribute-write')?.answer({ name, text, off });
};
const rowOf = async (name: string): Promise<unknown> => {
  const reading = await host.parts.operations().get('attribute-read')?.answer({ name });
  return (reading as { rows: unknown[] }).rows[0];
};
/** A guest whose file has these devices, `permissive=1` for some. */
const guestOf = async (permissive: readonly Bdf[] = [], name = 'work'): Promise<IncludedGuest> => {
  await host.pciback.stub.seize(nic.bdf);
  const domain = await host.platform.toolstack.create({ devices: [nic.bdf], permissive, name });
  const guest = await host.platform.startGuest({ domain });
  await guest.reached(4);
  return guest;
};
const end = async (guest: IncludedGuest): Promise<void> => {
  await guest.stop();
  await host.platform.toolstack.destroy(guest.domain);
  await expect.poll(() => device().assignment).toBeUndefined();
};
/** Whether a guest's write to a register without a field arrives. */
const arrives = async (guest: IncludedGuest): Promise<boolean> => {
  const { hardware } = device().operations;
  const value = hardware.readConfig(FREE, 1) ^ 0x5a;
  const vdev = host.pciback.guests().find((one) => one.domain === guest.domain)?.devices[0]?.vdev;
  if (vdev === undefined) throw new Error('the guest has no device');
  await guest.request({
    cmd: Command.confWrite,
    domain: vdev >>> 16,
    bus: (vdev >>> 8) & 0xff,
    devfn: vdev & 0xff,
    offset: FREE,
    size: 1,
    value,
  });
  return hardware.readConfig(FREE, 1) === value;
};
const said = (text: string): unknown[] =>
  host.lines.filter(({ message }) => message.includes(text)).map(({ level, facts }) => ({ level, ...facts }));

describe('permissive at run time', () => {
  it('counts for the guest that has the device from its next request on, is said loudly, and is gone with it', async () => {
    await start();
    const guest = await guestOf();
    expect(await arrives(guest)).toBe(false);
    await write('permissive');
    expect(await arrives(guest)).toBe(true);
    expect(said('writes without a field reach')).toMatchObject([{ level: 'warn', bdf, guest: guest.domain }]);
    await end(guest);
    expect(await rowOf('permissive')).toMatchObject({ permissive: 'no' });
    expect(await arrives(await guestOf())).toBe(false);
  });

  it('set while no guest has the device counts for the next guest, and for no other', async () => {
    await start();
    await host.pciback.stub.seize(nic.bdf);
    await write('permissive');
    const first = await guestOf();
    expect(await arrives(first)).toBe(true);
    await end(first);
    expect(await arrives(await guestOf())).toBe(false);
  });

  it('goes off again under the guest', async () => {
    await start();
    const guest = await guestOf();
    await write('permissive');
    await write('permissive', bdf, true);
    expect(await arrives(guest)).toBe(false);
    expect(await rowOf('permissive')).toMatchObject({ permissive: 'no', from: '-' });
  });

  it('is refused where the rc file says otherwise, and nothing has changed then', async () => {
    await start({ config: { guests: { work: { devices: { [bdf]: { permissive: false } } } } } });
    const guest = await guestOf();
    await expect(write('permissive')).rejects.toMatchObject({
      code: 'ATTRIBUTE_REFUSED',
      facts: { errno: 'EPERM' },
      message: expect.stringMatching(/the rc file says permissive: false for it and guest "work"/),
    });
    expect(await arrives(guest)).toBe(false);
    expect(await rowOf('permissive')).toMatchObject({ permissive: 'no', from: '-' });
  });

  it('is refused where a plugin decides, by its name', async () => {
    const strict = definePlugin({
      name: 'acme/strict',
      api: '^1.0',
      apply: ({ hooks }) => {
        hooks.unhandledWrite.tap(() => 'drop');
      },
    });
    await start({ plugins: [strict] });
    await guestOf();
    await expect(write('permissive')).rejects.toThrow(/a plugin decides it, .*acme\/strict/);
  });

  it('that the rc file has on cannot be switched off here', async () => {
    await start({ config: { permissive: [bdf] } });
    await guestOf();
    expect(await rowOf('permissive')).toMatchObject({ permissive: 'yes', from: 'rc file' });
    await expect(write('permissive', bdf, true)).rejects.toThrow(/in the list permissive of the rc file/);
  });
});

describe('allow_interrupt_control at run time', () => {
  it('changes what the policy answers to the guest that has the device, and is gone with it', async () => {
    await start({ config: { interrupts: 'guest-controlled' } });
    const guest = await guestOf();
    const asked = (): unknown => device().assignment?.interrupts.decidesIntx('enabled', 'disabled');
    expect(asked()).toBe('virtual');
    await write('allow_interrupt_control');
    expect(asked()).toBe('hardware');
    expect(device().operations.allowInterruptControl).toBe(true);
    expect(said('interrupt control')).toMatchObject([{ level: 'warn', bdf }]);
    await write('allow_interrupt_control', bdf, true);
    expect(asked()).toBe('virtual');
    await write('allow_interrupt_control');
    await end(guest);
    await guestOf();
    expect(asked()).toBe('virtual');
  });
});

describe('permissive=1 of a guest’s file', () => {
  it('is obeyed for that guest and device, shown, and gone with the guest', async () => {
    await start();
    const guest = await guestOf([nic.bdf]);
    expect(await arrives(guest)).toBe(true);
    expect(await rowOf('permissive')).toEqual({
      device: bdf,
      guest: String(guest.domain),
      permissive: 'yes',
      from: 'xl',
    });
    expect(device().assignment?.rules.unhandled).toBe('permissive');
    expect(said('writes without a field reach')).toHaveLength(1);
    await end(guest);
    expect(await arrives(await guestOf())).toBe(false);
  });

  it('of a device that is plugged in later is that device’s', async () => {
    await start({ devices: [nic, sample('e1000e')] });
    const { toolstack } = host.platform;
    const more = sample('e1000e').bdf;
    const guest = await guestOf();
    await host.pciback.stub.seize(more);
    await toolstack.attach(guest.domain, more, { permissive: true });
    const inForce = host.pciback.stub.devices.map((one) => [one.bdf, one.assignment?.rules.unhandled]);
    expect(inForce).toEqual([
      [nic.bdf, 'drop'],
      [more, 'permissive'],
    ]);
  });

  it('counts where the toolstack has left an entry of the same device behind', async () => {
    await start({ devices: [nic, sample('e1000e')] });
    const { toolstack, xenstore } = host.platform;
    const more = sample('e1000e').bdf;
    const guest = await guestOf();
    await host.pciback.stub.seize(more);
    const inForce = (): unknown =>
      host.pciback.stub.devices.find((one) => one.bdf === more)?.assignment?.rules.unhandled;
    await toolstack.attach(guest.domain, more);
    expect(inForce()).toBe('drop');
    // As xl that gives up before the back end is connected again: nothing of the entry is deleted.
    const back = `/local/domain/0/backend/pci/${guest.domain}/0`;
    await xenstore.write(`${back}/state-1`, '5');
    await xenstore.write(`${back}/state`, '7');
    await expect.poll(inForce).toBeUndefined();
    await expect.poll(() => xenstore.read(`${back}/state`)).toBe('4');
    const entry = { dev: formatBdf(more), opts: 'msitranslate=0,power_mgmt=0,permissive=1', state: '1' };
    for (const [name, value] of Object.entries(entry)) await xenstore.write(`${back}/${name}-2`, value);
    await xenstore.write(`${back}/num_devs`, '3');
    await xenstore.write(`${back}/state`, '7');
    await expect.poll(inForce).toBeDefined();
    await expect.poll(() => xenstore.read(`${back}/state`)).toBe('4');
    expect(await xenstore.read(`${back}/opts-1`)).toContain('permissive=0');
    expect(inForce()).toBe('permissive');
  });

  it('gives way to the rc file, which is said once', async () => {
    await start({ config: { guests: { work: { devices: { [bdf]: { permissive: false } } } } } });
    const guest = await guestOf([nic.bdf]);
    expect(await arrives(guest)).toBe(false);
    expect(said('not switched on for this guest')).toMatchObject([
      { level: 'warn', bdf, key: 'permissive', from: 'xl', why: expect.stringContaining('the rc file says') },
    ]);
    expect(await rowOf('permissive')).toMatchObject({ permissive: 'no', from: '-' });
  });

  /** A store whose words about permissive are read in another way. */
  const reading =
    (options: (read: () => Promise<string | undefined>) => Promise<string | undefined>) =>
    (platform: EmbeddedHost['platform']): Platform => {
      const { xenstore } = platform;
      const read = async (at: string): Promise<string | undefined> =>
        at.includes('/opts-') ? options(() => xenstore.read(at)) : xenstore.read(at);
      const get = (_: unknown, member: string): unknown => {
        const own: unknown = member === 'read' ? read : Reflect.get(xenstore, member, xenstore);
        return typeof own === 'function' ? own.bind(xenstore) : own;
      };
      return { ...platform, xenstore: new Proxy(xenstore, { get: get as never }) };
    };

  it('that cannot be read leaves the guest its device, without', async () => {
    const between = reading(async () => {
      throw new Error('no answer');
    });
    await start({ between });
    expect(await arrives(await guestOf([nic.bdf]))).toBe(false);
    expect(said('what the toolstack says')).toMatchObject([{ level: 'warn', bdf, why: 'no answer' }]);
  });

  it('that is not read in time leaves the guest its device, and is in force as soon as the store answers', async () => {
    let answer = (): void => undefined;
    const stands = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const between = reading(async (read) => {
      await stands;
      return read();
    });
    await start({ between, config: { deadlines: { deviceAssigned: 1 } } });
    const guest = await guestOf([nic.bdf]);
    expect(await arrives(guest)).toBe(false);
    answer();
    await expect.poll(() => arrives(guest)).toBe(true);
  });
});

describe('the kernel module’s attributes, in drop-in mode', () => {
  /** The module holds every function. */
  const held: { permissive: boolean; allowInterruptControl: boolean } = {
    permissive: false,
    allowInterruptControl: false,
  };
  const between = (platform: EmbeddedHost['platform']): Platform => ({
    ...platform,
    pci: Object.assign(Object.create(platform.pci), { switchesOf: async (): Promise<HolderSwitches> => held }),
  });

  it('count from the next assignment on', async () => {
    Object.assign(held, { permissive: false, allowInterruptControl: false });
    await start({ between });
    const first = await guestOf();
    Object.assign(held, { permissive: true, allowInterruptControl: true });
    expect(await arrives(first)).toBe(false);
    await end(first);
    const second = await guestOf();
    expect(await arrives(second)).toBe(true);
    expect(await rowOf('permissive')).toMatchObject({ from: 'kernel' });
    expect(await rowOf('allow_interrupt_control')).toMatchObject({ allow_interrupt_control: 'yes', from: 'kernel' });
  });

  it('what xl has left there of an earlier guest is not obeyed for the next one', async () => {
    // libxl writes both: `opts-N` and the attribute, which nobody can clear.
    Object.assign(held, { permissive: true, allowInterruptControl: false });
    await start({ between });
    const first = await guestOf([nic.bdf]);
    expect(await arrives(first)).toBe(true);
    await end(first);
    const second = await guestOf();
    expect(await arrives(second)).toBe(false);
    expect(said('of an earlier guest')).toMatchObject([{ level: 'info', bdf }]);
    await end(second);
    expect(await arrives(await guestOf([nic.bdf]))).toBe(true);
  });

  it('are read where the driver has them', async () => {
    await start();
    const sysfs = await makeSysfs([{ place: 'pci0000:00/0000:03:00.0', driver: 'pciback' }]);
    try {
      const bus = createSysfsBus(sysfs.root, kernelStubHolder(sysfs.root), async () => undefined);
      const of = async (address: Bdf): Promise<unknown> =>
        (bus as unknown as { switchesOf(one: Bdf): Promise<HolderSwitches> }).switchesOf(address);
      const address = 0x0300 as Bdf;
      expect(await of(address)).toEqual({ permissive: false, allowInterruptControl: false });
      const driver = join(sysfs.root, 'bus/pci/drivers/pciback');
      await mkdir(driver, { recursive: true });
      await writeFile(join(driver, 'permissive'), '0000:02:00.0\n0000:03:00.0\n');
      await writeFile(join(driver, 'allow_interrupt_control'), '0000:03:00.01\n');
      expect(await of(address)).toEqual({ permissive: true, allowInterruptControl: false });
    } finally {
      await sysfs.remove();
    }
  });
});

describe('in the next process', () => {
  const others = createRestartableHost([nic]);
  afterEach(() => others.close());

  it('the guest that goes on has what it had, from its first request on', async () => {
    await start();
    await others.start();
    const guest = await others.guest([nic.bdf], { driver: 'none' });
    await guest.reached(4);
    const inForce = (): unknown =>
      others.running.engine.stub.devices.map(({ assignment }) => assignment?.rules.unhandled);
    await others.running.parts.operations().get('attribute-write')?.answer({ name: 'permissive', text: bdf });
    for (let kill = 0; kill < 2; kill++) {
      others.kill();
      const asked = guest.request({ cmd: Command.confWrite, offset: FREE, size: 4, value: 0x1234 + kill });
      await others.start();
      await asked;
      const { value } = await guest.request({ cmd: Command.confRead, offset: FREE, size: 4 });
      expect(value).toBe(0x1234 + kill);
      expect(inForce()).toEqual(['permissive']);
    }
    others.kill();
    await others.xen.toolstack.destroy(guest.domain).catch(() => undefined);
    await others.start();
    const next = await others.guest([nic.bdf], { driver: 'none' });
    await next.reached(4);
    expect(inForce()).toEqual(['drop']);
  });
});
