// SPDX-License-Identifier: MIT

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Command, Status } from '../../core/ring/layout.ts';
import type { IncludedGuest } from '../../plugins/platforms/embedded/guest.ts';
import type { GuestRequest } from '../../plugins/platforms/embedded/guest-ring.ts';
import { sample } from '../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../kit/embedded-host.ts';
import { until } from '../kit/until.ts';

const nic = sample('e1000e').bdf;
const COMMAND = 0x04;
const BAR0 = 0x10;
const MSI = 0xd0;
const MSIX = 0xa0;

let host: EmbeddedHost;
let guest: IncludedGuest;

beforeEach(async () => {
  host = await startEmbeddedHost({ devices: [sample('root-port'), sample('e1000e')], config: { shutdownSeconds: 0 } });
  guest = await host.guest([nic], { driver: 'none' });
  await guest.reached(4);
});
afterEach(() => host.close());

/** What hardware has, without a word to anybody. */
const hardware = (offset: number, size: number) => host.platform.pci.model(nic).peek(offset, size);
const read = async (offset: number, size: number): Promise<number> => {
  const { err, value } = await guest.request({ cmd: Command.confRead, offset, size });
  expect(err).toBe(Status.success);
  return value;
};
const write = async (offset: number, size: number, value: number): Promise<void> => {
  expect((await guest.request({ cmd: Command.confWrite, offset, size, value })).err).toBe(Status.success);
};
const ask = async (request: GuestRequest) => guest.request({ ...request });
/** Messages of the guest that are mapped; its line is the toolstack's. */
const messages = () => host.platform.hypervisor.ledger().pirqs.filter(({ kind }) => kind !== 'line').length;

describe('a front end that does all that one can do (seed 30edc14bf3)', () => {
  it('finds its device, and no other, at one of 256 addresses', async () => {
    const found: number[] = [];
    for (let devfn = 0; devfn < 256; devfn++) {
      const { err, value } = await ask({ cmd: Command.confRead, devfn, offset: 0, size: 4 });
      if (err === Status.success) found.push(devfn, value);
      else expect([devfn, err]).toEqual([devfn, Status.devNotFound]);
    }
    expect(found).toEqual([0, 0x10d38086]);
  });

  it('finds the size of a BAR, which hardware never sees, and has the address back', async () => {
    const before = await read(BAR0, 4);
    const inHardware = hardware(BAR0, 4);
    await write(BAR0, 4, 0xffffffff);
    const sized = await read(BAR0, 4);
    expect(~(sized & ~0xf) >>> 0).toBe(0x1ffff);
    expect(hardware(BAR0, 4)).toBe(inHardware);
    await write(BAR0, 4, before);
    expect(await read(BAR0, 4)).toBe(before);
  });

  it('switches the device on and off by config writes, and hardware follows', async () => {
    await write(COMMAND, 2, 0x0006);
    expect(hardware(COMMAND, 2) & 0x0006).toBe(0x0006);
    expect((await read(COMMAND, 2)) & 0x0006).toBe(0x0006);
    await write(COMMAND, 2, 0);
    // Decode stays on (XSA-120).
    expect(hardware(COMMAND, 2) & 0x0006).toBe(0x0002);
  });

  it('changes no bit that is not its own', async () => {
    const id = hardware(0, 4);
    await write(0, 4, 0);
    await write(0x2c, 4, 0);
    expect([hardware(0, 4), await read(0, 4)]).toEqual([id, id]);
    expect(host.pciback.guests()[0]?.denied.total).toBe(2);
  });

  it('has MSI on and off', async () => {
    await write(COMMAND, 2, 0x0006);
    const on = await ask({ cmd: Command.enableMsi });
    expect([on.err, hardware(MSI + 2, 2) & 1, messages()]).toEqual([Status.success, 1, 1]);
    expect(on.value).toBe(host.platform.hypervisor.ledger().pirqs.find(({ kind }) => kind === 'msi')?.pirq);
    expect((await ask({ cmd: Command.disableMsi })).err).toBe(Status.success);
    expect([hardware(MSI + 2, 2) & 1, messages()]).toEqual([0, 0]);
  });

  it('has MSI-X on and off, with a PIRQ of its own for each entry', async () => {
    await write(COMMAND, 2, 0x0006);
    const on = await ask({ cmd: Command.enableMsix, value: 3, entries: [0, 2, 4] });
    expect([on.err, hardware(MSIX + 2, 2) & 0x8000, messages()]).toEqual([Status.success, 0x8000, 3]);
    expect(new Set(on.vectors?.slice(0, 3)).size).toBe(3);
    expect((await ask({ cmd: Command.disableMsix })).err).toBe(Status.success);
    expect([hardware(MSIX + 2, 2) & 0x8000, messages()]).toEqual([0, 0]);
  });

  it('is asked about an error, and its answer decides', async () => {
    await guest.stop();
    await host.platform.toolstack.destroy(guest.domain);
    await until('given back', () => host.pciback.ledger().assigned === 0);
    // The driver answers for its device; a guest without one gives it up.
    guest = await host.guest([nic]);
    await guest.reached(4);
    expect(await host.platform.errors?.inject?.(nic, 'nonfatal')).toMatchObject({ outcome: 'recovered' });
    expect(guest.report().aer.length).toBeGreaterThan(0);
    expect(await read(0, 4)).toBe(0x10d38086);
    expect((await read(COMMAND, 2)) & 6).toBe(6);
  });

  it('gives everything back', async () => {
    await write(COMMAND, 2, 0x0006);
    await ask({ cmd: Command.enableMsix, value: 2, entries: [0, 1] });
    expect(await host.pciback.stop()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
    expect([hardware(MSIX + 2, 2) & 0x8000, hardware(COMMAND, 2) & 4, messages()]).toEqual([0, 0, 0]);
    await host.pciback.stub.release(nic);
    expect(host.platform.hypervisor.ledger()).toMatchObject({ mapped: [], bound: [], prepared: [], illegal: [] });
  });
});
