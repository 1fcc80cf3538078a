// SPDX-License-Identifier: MIT

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../../core/bdf.ts';
import { Errno } from '../../../../core/platform/index.ts';
import { sample } from '../../../../plugins/platforms/embedded/index.ts';
import standAlone from '../../../../plugins/platforms/xen/stand-alone.ts';
import type { StandAlonePlatform } from '../../../../plugins/platforms/xen/stand-alone-platform.ts';
import { startEmbeddedHost } from '../../../kit/embedded-host.ts';
import { type AloneHost, aloneHost } from './stand-alone-host.ts';

const nic = sample('e1000e');

let host: AloneHost;
beforeEach(() => {
  host = aloneHost([nic]);
});
afterEach(async () => {
  await host.close();
});

const stateOf = async (name: string) => host.running.parts.reports().find((one) => one.name === name);

describe('stand-alone mode', () => {
  it.each([Errno.ENOSYS, Errno.EOPNOTSUPP])(
    'does not start without an IOMMU (errno %i), unless it is told to',
    async (errno) => {
      host.permissions.refuse.set('testAssign', errno);
      host.permissions.refuse.set('assign', errno);
      await expect(host.start()).rejects.toMatchObject({ code: 'NO_IOMMU' });
      await host.start({ 'stand-alone': { withoutIommu: 'allow' } });
      expect(host.lines.some(({ level, message }) => level === 'warn' && message.startsWith('no IOMMU'))).toBe(true);
      const { domain } = await host.domain('acme');
      expect(await host.door.attach({ name: 'acme', bdf: nic.bdf })).toMatchObject({ domain });
      expect(host.permissions.quarantined.size).toBe(0);
      expect((await stateOf('stand-alone'))?.health).toBe('1 devices held, IOMMU none');
    },
  );

  it('starts where dom0 has its functions already', async () => {
    host.permissions.refuse.set('testAssign', Errno.EINVAL);
    await host.start();
    expect((await stateOf('stand-alone'))?.health).toBe('0 devices held, IOMMU in use');
  });

  it.each([
    ['PVH', { code: 'PLATFORM_UNAVAILABLE', message: expect.stringContaining('this dom0 is PVH') }],
    ['PV', undefined],
  ])('in a %s dom0', async (type, refusal) => {
    const file = join(dirname(host.changes.folder), 'sys/hypervisor/guest_type');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${type}\n`);
    if (refusal === undefined) await host.start();
    else await expect(host.start()).rejects.toMatchObject(refusal);
  });

  it('keeps a function from all memory as soon as it is seized, and gives it back at the end', async () => {
    await host.start({ hide: [formatBdf(nic.bdf)] });
    expect(host.permissions.quarantined.size).toBe(1);
    expect(host.changes.of(nic.bdf)).toEqual([{ what: 'quarantine' }]);
    await host.running.stop();
    expect(host.permissions.quarantined.size).toBe(0);
    expect(host.xen.pci.isSeized(nic.bdf)).toBe(false);
  });

  it('refuses a function that cannot be kept from memory', async () => {
    await host.start();
    host.permissions.refuse.set('assign', Errno.EBUSY);
    await expect(host.running.engine.stub.seize(nic.bdf)).rejects.toThrow('EBUSY');
    expect(host.xen.pci.isSeized(nic.bdf)).toBe(false);
    expect(host.changes.addresses).toEqual([]);
  });

  it('ends guests and puts everything back', async () => {
    await host.start();
    const { domain } = await host.domain('acme');
    await host.door.attach({ name: 'acme', bdf: nic.bdf });
    await host.running.stop();
    expect([...host.permissions.permitted]).toEqual([]);
    expect(host.changes.addresses).toEqual([]);
    expect(await host.xen.xenstore.read(`/local/domain/0/backend/pci/${domain}/0/state`)).toBe(undefined);
  });

  it('is nothing on other platforms', async () => {
    const other = await startEmbeddedHost({ devices: [nic], plugins: [standAlone] });
    const platform: Partial<StandAlonePlatform> = other.platform;
    expect(platform.standAlone).toBe(undefined);
    expect(other.parts.reports().find(({ name }) => name === 'stand-alone')?.health).toContain('not for this mode');
    await other.close();
  });
});
