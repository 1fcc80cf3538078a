// SPDX-License-Identifier: MIT

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../../core/bdf.ts';
import { Errno } from '../../../../core/platform/index.ts';
import { sample } from '../../../../plugins/platforms/embedded/index.ts';
import { type AloneHost, aloneHost } from './stand-alone-host.ts';

const nic = sample('e1000e');
const card = sample('rtl8139');
const disk = sample('nvme');
const [first, second] = [formatBdf(nic.bdf), formatBdf(card.bdf)];

let host: AloneHost;
beforeEach(async () => {
  host = aloneHost([nic, card, disk]);
  await host.start();
});
afterEach(async () => {
  await host.close();
});

const guests = (): unknown[] =>
  host.running.engine
    .guests()
    .map(({ name, state, devices }) => [name, state, ...devices.map(({ bdf }) => formatBdf(bdf))]);
const noted = (): string[] => host.changes.addresses.flatMap((one) => host.changes.of(one).map(({ what }) => what));
const nodes = async (domain: number): Promise<unknown[]> => [
  await host.xen.xenstore.list(`/local/domain/0/backend/pci/${domain}`),
  await host.xen.xenstore.list(`/local/domain/${domain}/device/pci`),
];
const frontState = (domain: number): Promise<string | undefined> =>
  host.xen.xenstore.read(`/local/domain/${domain}/device/pci/0/state`);
/** Config space of both functions, as their models have it. */
const config = (): Buffer[] =>
  [nic, card].map(({ bdf }) => {
    const model = host.xen.pci.model(bdf);
    return Buffer.from(
      Array.from({ length: 64 }, (_, index) => model.readConfig(index * 4, 4)).flatMap((word) => [
        word & 255,
        (word >> 8) & 255,
        (word >> 16) & 255,
        word >>> 24,
      ]),
    );
  });

describe('pciback attach and detach in stand-alone mode', () => {
  it('give a running guest its first device, a second one by hot plug, and take one while the other works', async () => {
    const before = config();
    const { domain } = await host.domain('acme');
    expect(await host.door.attach({ name: 'acme', bdf: nic.bdf })).toEqual({ domain, vdev: '0000:00:00.0' });
    expect(guests()).toEqual([['acme', 'Connected', first]]);
    const withOne = [...host.permissions.permitted];
    expect(withOne.length).toBeGreaterThan(2);
    expect(host.xen.hypervisor.ownerOf(nic.bdf)).toBe(domain);
    expect([...host.permissions.quarantined]).toEqual([]);

    expect(await host.door.attach({ name: String(domain), bdf: card.bdf })).toMatchObject({ vdev: '0000:00:01.0' });
    expect(guests()).toEqual([['acme', 'Connected', first, second]]);
    expect(await host.door.detach('acme', card.bdf)).toEqual([card.bdf]);
    expect(guests()).toEqual([['acme', 'Connected', first]]);
    expect([...host.permissions.permitted]).toEqual(withOne);
    expect([...host.permissions.quarantined]).toEqual([second]);
    await expect.poll(() => frontState(domain)).toBe('4');

    expect(await host.door.detach('acme')).toEqual([nic.bdf]);
    await expect.poll(guests).toEqual([]);
    expect([...host.permissions.permitted]).toEqual([]);
    expect(await nodes(domain)).toEqual([undefined, undefined]);
    expect(host.running.engine.ledger()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
    await host.running.stop();
    expect([...host.permissions.quarantined]).toEqual([]);
    expect(noted()).toEqual([]);
    expect(config()).toEqual(before);
  });

  it('give a paused guest what it finds when it boots', async () => {
    const { domain } = await host.domain('acme', 'paused');
    expect(await host.door.attach({ name: 'acme', bdf: nic.bdf, slot: 5 << 3, permissive: true })).toEqual({
      domain,
      vdev: '0000:00:05.0',
      waits: true,
    });
    expect(await host.door.attach({ name: 'acme', bdf: card.bdf })).toMatchObject({ waits: true });
    await host.xen.startGuest({ domain });
    await expect.poll(guests).toEqual([['acme', 'Connected', first, second]]);
    const rules = host.running.engine.stub.devices.map(({ assignment }) => assignment?.rules.unhandled);
    expect(rules).toEqual(['permissive', 'drop']);
  });

  it('take a device from a guest that has not looked yet', async () => {
    const { domain } = await host.domain('acme', 'paused');
    await host.door.attach({ name: 'acme', bdf: nic.bdf });
    expect(await host.door.detach('acme', nic.bdf)).toEqual([nic.bdf]);
    expect([...host.permissions.permitted]).toEqual([]);
    expect(await nodes(domain)).toEqual([undefined, undefined]);
  });

  it('undo all when the guest ends without a word', async () => {
    const { domain } = await host.domain('acme');
    await host.door.attach({ name: 'acme', bdf: nic.bdf });
    await host.door.attach({ name: 'acme', bdf: card.bdf });
    await host.destroy(domain);
    await expect.poll(guests).toEqual([]);
    await expect.poll(() => noted().filter((what) => what !== 'quarantine')).toEqual([]);
    expect([...host.permissions.permitted]).toEqual([]);
    expect([...host.permissions.quarantined]).toEqual([first, second]);
    expect(await nodes(domain)).toEqual([undefined, undefined]);
    const next = await host.domain('next');
    await host.door.attach({ name: 'next', bdf: nic.bdf });
    await expect.poll(() => frontState(next.domain)).toBe('4');
  });

  it('go on in a next process, which knows what the one before had done', async () => {
    const { domain } = await host.domain('acme');
    await host.door.attach({ name: 'acme', bdf: nic.bdf });
    await host.door.attach({ name: 'acme', bdf: card.bdf });
    host.kill();
    await host.start();
    expect(guests()).toEqual([['acme', 'Connected', first, second]]);
    await expect.poll(() => frontState(domain)).toBe('4');
    expect(await host.door.detach('acme', nic.bdf)).toEqual([nic.bdf]);
    expect(guests()).toEqual([['acme', 'Connected', second]]);
    host.kill();
    await host.destroy(domain);
    await host.start();
    await expect.poll(noted).toEqual(['quarantine', 'quarantine']);
    expect([...host.permissions.permitted]).toEqual([]);
    expect(await nodes(domain)).toEqual([undefined, undefined]);
  });

  it('leave everything as it is for a next process when this one is only left', async () => {
    await host.domain('acme');
    await host.door.attach({ name: 'acme', bdf: nic.bdf });
    const before = noted();
    await host.running.abandon();
    host.kill();
    expect(noted()).toEqual(before);
    await host.start();
    expect(guests()).toEqual([['acme', 'Connected', first]]);
  });

  it('take back what was begun when the process dies before the guest was told', async () => {
    const { domain } = await host.domain('acme');
    await host.running.engine.stub.seize(nic.bdf);
    await host.changes.make(nic.bdf, { what: 'frames', domain, first: '0xfebc0', count: '0x20' }, () =>
      host.permissions.frames(domain, 0xfebc0n, 0x20n, 'allow'),
    );
    await host.changes.make(nic.bdf, { what: 'assigned', domain }, () => undefined);
    host.kill();
    await host.start();
    await expect.poll(noted).toEqual(['quarantine']);
    expect([...host.permissions.permitted]).toEqual([]);
  });

  it('serve other guests while one does not answer, and do not wait for one that has ended', async () => {
    const { domain, guest } = await host.domain('silent');
    await host.door.attach({ name: 'silent', bdf: nic.bdf });
    guest?.crash();
    const first = host.door.attach({ name: 'silent', bdf: card.bdf });
    const end = expect(first).rejects.toThrow('guest "silent" has ended');
    await expect.poll(() => host.xen.hypervisor.ownerOf(card.bdf)).toBe(domain);
    await host.domain('acme');
    await expect(host.door.attach({ name: 'acme', bdf: card.bdf })).rejects.toThrow('is being given to a guest');
    expect(await host.door.attach({ name: 'acme', bdf: disk.bdf })).toMatchObject({ vdev: '0000:00:00.0' });
    await host.destroy(domain);
    await end;
    await expect.poll(() => host.changes.of(card.bdf)).toEqual([{ what: 'quarantine' }]);
    await expect.poll(() => host.changes.of(nic.bdf)).toEqual([{ what: 'quarantine' }]);
  });

  it.each(['ports', 'frames', 'line', 'mapLine', 'assign'] as const)(
    'undo all when the hypervisor refuses %s',
    async (call) => {
      const { domain } = await host.domain('acme');
      await host.running.engine.stub.seize(card.bdf);
      host.permissions.refuse.set(call, Errno.EBUSY);
      await expect(host.door.attach({ name: 'acme', bdf: card.bdf })).rejects.toThrow('EBUSY');
      host.permissions.refuse.clear();
      expect([...host.permissions.permitted]).toEqual([]);
      expect(noted()).toEqual(['quarantine']);
      expect(await nodes(domain)).toEqual([undefined, undefined]);
      await host.door.attach({ name: 'acme', bdf: card.bdf });
      expect(guests()).toEqual([['acme', 'Connected', second]]);
    },
  );

  it('say what a guest lacks that was made without an IOMMU', async () => {
    await host.domain('acme');
    await host.running.engine.stub.seize(nic.bdf);
    host.permissions.refuse.set('assign', Errno.EOPNOTSUPP);
    await expect(host.door.attach({ name: 'acme', bdf: nic.bdf })).rejects.toMatchObject({
      code: 'GUEST_WITHOUT_PASSTHROUGH',
      solve: expect.stringContaining('passthrough="enabled"'),
    });
    expect([...host.permissions.permitted]).toEqual([]);
  });

  it('keep a line that another device of the guest has too, and give it to no other guest', async () => {
    const { line } = nic;
    await host.close();
    host = aloneHost([nic, { ...card, line }]);
    await host.start();
    const { domain } = await host.domain('acme');
    await host.door.attach({ name: 'acme', bdf: nic.bdf });
    await host.door.attach({ name: 'acme', bdf: card.bdf });
    await host.door.detach('acme', card.bdf);
    expect([...host.permissions.permitted]).toContain(`${domain} line ${line}`);
    await host.door.detach('acme', nic.bdf);
    expect([...host.permissions.permitted]).toEqual([]);
    await host.door.attach({ name: 'acme', bdf: nic.bdf });
    const other = await host.domain('other');
    await host.door.attach({ name: 'other', bdf: card.bdf });
    expect([...host.permissions.permitted]).not.toContain(`${other.domain} line ${line}`);
    expect(host.lines).toContainEqual(
      expect.objectContaining({
        message: 'the guest gets no line interrupt: others use the line',
        facts: expect.objectContaining({ users: [`domain ${domain}`] }),
      }),
    );
  });

  describe('on a line that a driver of the host uses', () => {
    const users = (...names: string[]): void => {
      Object.assign(host.running.engine.platform.lines, { hostUsers: () => names });
    };
    const hasLine = (domain: number): boolean => host.permissions.permitted.has(`${domain} line ${nic.line}`);

    it('give it a handler there, before the guest may use the line, until the guest has let go of it', async () => {
      users('eth0');
      const { domain } = await host.domain('acme');
      await host.door.attach({ name: 'acme', bdf: nic.bdf });
      expect([...host.bound]).toEqual([first]);
      expect(hasLine(domain)).toBe(true);
      expect(noted().indexOf('handler')).toBeLessThan(noted().indexOf('line'));
      await host.door.detach('acme', nic.bdf);
      expect([...host.bound]).toEqual([]);
      expect(noted()).toEqual(['quarantine']);
    });

    it('take the handler away when the guest ends without a word, and when the device cannot be given', async () => {
      users('eth0');
      const { domain } = await host.domain('acme');
      await host.door.attach({ name: 'acme', bdf: nic.bdf });
      await host.destroy(domain);
      await expect.poll(() => [...host.bound]).toEqual([]);
      await host.domain('next');
      host.permissions.refuse.set('ports', Errno.EPERM).set('frames', Errno.EPERM);
      await expect(host.door.attach({ name: 'next', bdf: nic.bdf })).rejects.toThrow('EPERM');
      expect([...host.bound]).toEqual([]);
    });

    it.each(['refuse', 'allow'] as const)(
      'where the operator wants no handler there is none: sharedLines %s decides',
      async (sharedLines) => {
        await host.running.stop();
        await host.start({ sharedLines, 'stand-alone': { lineHandler: 'none' } });
        users('eth0');
        const { domain } = await host.domain('acme');
        await host.door.attach({ name: 'acme', bdf: nic.bdf });
        expect([...host.bound]).toEqual([]);
        expect(hasLine(domain)).toBe(sharedLines === 'allow');
        expect(host.lines.filter(({ message }) => message.startsWith('the guest gets'))).toEqual([
          expect.objectContaining({ facts: expect.objectContaining({ users: ['eth0'], line: nic.line }) }),
        ]);
      },
    );

    it('give the handler back what the kernel took from the device when the process before died', async () => {
      users('eth0');
      await host.domain('acme');
      await host.door.attach({ name: 'acme', bdf: nic.bdf });
      const before = host.changes.of(nic.bdf).find(({ what }) => what === 'handler');
      if (before?.what !== 'handler') throw new Error('it has no handler');
      host.changes.replace(nic.bdf, before, { ...before, master: true });
      host.kill();
      const model = host.xen.pci.model(nic.bdf);
      const MASTER = 4;
      model.writeConfig(4, 2, model.readConfig(4, 2) & ~MASTER);
      await host.start();
      await expect.poll(() => model.readConfig(4, 2) & MASTER).toBe(MASTER);
    });
  });

  it.each([
    [
      'a guest that there is not',
      { name: 'acne', bdf: nic.bdf },
      { message: expect.stringContaining('Perhaps you meant "acme"') },
    ],
    ['dom0', { name: '0', bdf: nic.bdf }, { message: 'there is no guest "0".' }],
    ['a device that is not there', { name: 'acme', bdf: 0x7f0000 as typeof nic.bdf }, { code: 'DEVICE_NOT_FOUND' }],
    [
      'a socket',
      { name: 'acme', bdf: nic.bdf, path: '/run/x' },
      { message: expect.stringContaining('leave --socket out') },
    ],
    ['a device of another guest', { name: 'acme', bdf: card.bdf }, { code: 'DEVICE_IN_USE' }],
    ['a device that it has', { name: 'other', bdf: card.bdf }, { message: `guest "other" has ${second} already.` }],
  ])('refuse %s, and nothing has changed', async (_, asked, reason: object) => {
    await host.domain('acme');
    await host.domain('other');
    await host.door.attach({ name: 'other', bdf: card.bdf });
    const before = [noted(), [...host.permissions.permitted]];
    await expect(host.door.attach(asked)).rejects.toMatchObject(reason);
    expect([noted(), [...host.permissions.permitted]]).toEqual(before);
    expect(guests()).toEqual([['other', 'Connected', second]]);
  });

  it('refuse a guest without a front end by its type', async () => {
    const { domain } = await host.domain('acme');
    await host.xen.xenstore.write(`/libxl/${domain}/type`, 'pvh');
    await expect(host.door.attach({ name: 'acme', bdf: nic.bdf })).rejects.toThrow('guest "acme" is of type pvh');
    expect(noted()).toEqual([]);
  });

  it('find nothing to take where nothing was given', async () => {
    await host.domain('acme');
    expect(await host.door.detach('acme')).toEqual([]);
    expect(host.door.names()).toEqual(['acme']);
  });
});
