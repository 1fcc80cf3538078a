// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import { createEmbeddedPlatform, type EmbeddedPlatform, sample } from '../../../../plugins/platforms/embedded/index.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const turns = async () => {
  for (let i = 0; i < 3; i += 1) await turn();
};
const errno = (value: number) => expect.objectContaining({ name: 'HostError', errno: value });

let xen: EmbeddedPlatform;
const e1000e = sample('e1000e');
const rtl8139 = sample('rtl8139');
const vf = sample('igb-vf');

beforeEach(() => {
  xen = createEmbeddedPlatform({ devices: [e1000e, rtl8139, sample('igb'), vf, sample('nvme')] });
});

describe('event channels', () => {
  const pair = () => {
    const guest = xen.hypervisor.createDomain();
    const calls: string[] = [];
    const far = guest.ports.allocUnbound(0, () => calls.push('guest'));
    const near = xen.events.bindInterdomain(guest.domain, far.port, () => calls.push('host'));
    return { far, near, calls };
  };

  it('deliver the first event after the bind has returned, then mask', async () => {
    const { near, far, calls } = pair();
    expect(calls).toEqual([]);
    await turns();
    expect(calls).toEqual(['host']);
    far.notify();
    await turns();
    expect(calls).toEqual(['host']);
    near.unmask();
    await turns();
    expect(calls).toEqual(['host', 'host']);
  });

  it('merge events that come while masked into one', async () => {
    const { near, far, calls } = pair();
    await turns();
    for (let i = 0; i < 5; i += 1) far.notify();
    near.unmask();
    await turns();
    near.unmask();
    await turns();
    expect(calls).toEqual(['host', 'host']);
  });

  it('deliver nothing twice without a new event', async () => {
    const { near, calls } = pair();
    await turns();
    near.unmask();
    near.unmask();
    await turns();
    expect(calls).toEqual(['host']);
  });

  it('never call a closed channel, also with an event under way', async () => {
    const { near, far, calls } = pair();
    far.notify();
    near.close();
    near.close();
    await turns();
    expect(calls).toEqual([]);
    expect(xen.hypervisor.ledger().bound).toEqual([]);
    expect(() => near.notify()).toThrow(errno(107));
    far.notify();
    await turns();
  });

  it('refuse unknown, bound and foreign ports', () => {
    const guest = xen.hypervisor.createDomain();
    const forOther = guest.ports.allocUnbound(9, () => undefined);
    const forHost = guest.ports.allocUnbound(0, () => undefined);
    const bind = (port: number) => () => xen.events.bindInterdomain(guest.domain, port, () => undefined);
    expect(bind(99)).toThrow(errno(22));
    expect(bind(forOther.port)).toThrow(errno(22));
    bind(forHost.port)();
    expect(bind(forHost.port)).toThrow(errno(22));
    expect(xen.hypervisor.ledger().bound).toHaveLength(1);
  });

  it('of a domain that ends fall silent', async () => {
    const { near, far, calls } = pair();
    await turns();
    near.unmask();
    xen.hypervisor.destroyDomain(1);
    expect(() => far.notify()).toThrow(errno(107));
    near.notify();
    await turns();
    expect(calls).toEqual(['host']);
  });
});

describe('grants', () => {
  it('map the guest’s own memory and show it in the ledger until unmapped', () => {
    const guest = xen.hypervisor.createDomain();
    const page = guest.allocatePage();
    const reference = guest.grantAccess(0, page);
    const mapped = xen.grants.map(guest.domain, reference);
    new Uint8Array(page)[7] = 42;
    expect(new Uint8Array(mapped.memory)[7]).toBe(42);
    expect(xen.hypervisor.ledger().mapped).toEqual([{ by: 0, domain: guest.domain, reference }]);
    expect(guest.endAccess(reference)).toBe(false);
    mapped.unmap();
    mapped.unmap();
    expect(xen.hypervisor.ledger().mapped).toEqual([]);
    expect(guest.endAccess(reference)).toBe(true);
    expect(() => xen.grants.map(guest.domain, reference)).toThrow(errno(22));
  });

  it('refuse unknown references and those of another domain', () => {
    const guest = xen.hypervisor.createDomain();
    const other = xen.hypervisor.createDomain();
    const reference = guest.grantAccess(other.domain, guest.allocatePage());
    expect(() => xen.grants.map(guest.domain, 1234)).toThrow(errno(22));
    expect(() => xen.grants.map(guest.domain, reference)).toThrow(errno(22));
    expect(other.grants.map(guest.domain, reference).memory.byteLength).toBe(4096);
  });

  it('stay mapped when the domain ends, and cannot be mapped again', () => {
    const guest = xen.hypervisor.createDomain();
    const reference = guest.grantAccess(0, guest.allocatePage());
    xen.grants.map(guest.domain, reference);
    xen.hypervisor.destroyDomain(guest.domain);
    expect(xen.hypervisor.ledger().mapped).toHaveLength(1);
    expect(() => xen.grants.map(guest.domain, reference)).toThrow(errno(22));
  });

  it('go with the platform', async () => {
    const guest = xen.hypervisor.createDomain();
    xen.grants.map(guest.domain, guest.grantAccess(0, guest.allocatePage()));
    const port = guest.ports.allocUnbound(0, () => undefined);
    xen.events.bindInterdomain(guest.domain, port.port, () => undefined);
    await xen.close();
    expect(xen.hypervisor.ledger()).toMatchObject({ mapped: [], bound: [] });
  });
});

describe('interrupts', () => {
  const base = e1000e.resources[3]?.start ?? 0n;
  const ready = async () => {
    const device = await xen.pci.seize(e1000e.bdf);
    const { domain } = xen.hypervisor.createDomain();
    xen.hypervisor.assign(domain, e1000e.bdf);
    return { device, domain };
  };

  it('of MSI-X are mapped for the owner after prepare, with memory decode on', async () => {
    const { device, domain } = await ready();
    const map = (entry: number) => xen.interrupts.mapMsix(domain, device, entry, base);
    expect(() => map(0)).toThrow(errno(61));
    xen.interrupts.prepareMsix(device);
    device.writeConfig(4, 2, 0);
    expect(() => map(0)).toThrow(errno(6));
    device.writeConfig(4, 2, 2);
    expect(() => map(5)).toThrow(errno(22));
    expect(() => map(-1)).toThrow(errno(22));
    const pirqs = [map(0), map(4)];
    expect(new Set(pirqs).size).toBe(2);
    expect(() => map(4)).toThrow(errno(17));
    expect(() => xen.interrupts.releaseMsix(device)).toThrow(errno(16));
    expect(() => xen.interrupts.prepareMsix(device)).toThrow(errno(16));
    for (const pirq of pirqs) xen.interrupts.unmap(domain, pirq);
    expect(() => xen.interrupts.unmap(domain, pirqs[0] ?? 0)).toThrow(errno(22));
    xen.interrupts.releaseMsix(device);
    expect(xen.hypervisor.ledger()).toMatchObject({ pirqs: [], prepared: [], illegal: [] });
  });

  it('are refused for a domain that does not own the device', async () => {
    const { device, domain } = await ready();
    const other = xen.hypervisor.createDomain().domain;
    xen.interrupts.prepareMsix(device);
    device.writeConfig(4, 2, 2);
    expect(() => xen.interrupts.mapMsix(other, device, 0, base)).toThrow(errno(19));
    expect(() => xen.interrupts.mapMsi(other, device)).toThrow(errno(19));
    expect(() => xen.interrupts.mapMsi(77, device)).toThrow(errno(3));
    expect(() => xen.hypervisor.assign(other, e1000e.bdf)).toThrow(errno(16));
    xen.hypervisor.deassign(domain, e1000e.bdf);
    xen.hypervisor.assign(other, e1000e.bdf);
    expect(xen.interrupts.mapMsi(other, device)).toBeGreaterThan(255);
  });

  it('MSI and MSI-X tear each other down', async () => {
    const { device, domain } = await ready();
    xen.interrupts.prepareMsix(device);
    device.writeConfig(4, 2, 2);
    xen.interrupts.mapMsix(domain, device, 0, base);
    const msi = xen.interrupts.mapMsi(domain, device);
    expect(xen.hypervisor.ledger().pirqs).toEqual([{ domain, pirq: msi, kind: 'msi', bdf: '0000:01:00.0' }]);
    expect(() => xen.interrupts.mapMsi(domain, device)).toThrow(errno(17));
  });

  it('unmapping after the guest’s end is no error', async () => {
    const { device, domain } = await ready();
    const pirq = xen.interrupts.mapMsi(domain, device);
    xen.hypervisor.destroyDomain(domain);
    xen.interrupts.unmap(domain, pirq);
    expect(xen.hypervisor.ledger()).toMatchObject({ pirqs: [], assigned: [] });
    expect(xen.hypervisor.trace.at(-1)).toContain('ESRCH');
  });

  it('prepare without a capability is what kills a host', async () => {
    const device = await xen.pci.seize(rtl8139.bdf);
    expect(() => xen.interrupts.prepareMsix(device)).toThrow('the host would have crashed');
    expect(() => xen.interrupts.releaseMsix(device)).toThrow('the host would have crashed');
    expect(xen.hypervisor.ledger().illegal).toHaveLength(2);
  });

  it('a wrong table base is refused and noted', async () => {
    const { device, domain } = await ready();
    xen.interrupts.prepareMsix(device);
    device.writeConfig(4, 2, 2);
    expect(() => xen.interrupts.mapMsix(domain, device, 0, base + 0x1000n)).toThrow(errno(22));
    expect(xen.hypervisor.ledger().illegal[0]).toContain('table base');
  });

  it('of a virtual function depend on the physical one’s memory decode', async () => {
    const device = await xen.pci.seize(vf.bdf);
    const { domain } = xen.hypervisor.createDomain();
    xen.hypervisor.assign(domain, vf.bdf);
    xen.interrupts.prepareMsix(device);
    const start = vf.resources[3]?.start ?? 0n;
    const physical = xen.pci.model(sample('igb').bdf);
    physical.writeConfig(4, 2, 0);
    expect(() => xen.interrupts.mapMsix(domain, device, 0, start)).toThrow(errno(6));
    physical.writeConfig(4, 2, 2);
    expect(xen.interrupts.mapMsix(domain, device, 0, start)).toBeGreaterThan(255);
  });

  it('the line is the device’s', async () => {
    expect(xen.interrupts.linePirq(await xen.pci.seize(e1000e.bdf))).toBe(16);
    expect(xen.interrupts.linePirq(await xen.pci.seize(vf.bdf))).toBe(0);
  });
});

describe('the trace', () => {
  it('has host calls in order and stays bounded', () => {
    const guest = xen.hypervisor.createDomain();
    const reference = guest.grantAccess(0, guest.allocatePage());
    xen.grants.map(guest.domain, reference).unmap();
    expect(xen.hypervisor.trace).toEqual([
      'domain create d1',
      'grant access d1 ref 8 to d0',
      'grant map d1 ref 8',
      'grant unmap d1 ref 8',
    ]);
    for (let i = 0; i < 20_000; i += 1) xen.hypervisor.note(`line ${i}`);
    expect(xen.hypervisor.trace.length).toBeLessThanOrEqual(8192);
    expect(xen.hypervisor.trace.at(-1)).toBe('line 19999');
  });
});
