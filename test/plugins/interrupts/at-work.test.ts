// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import { Errno } from '../../../core/platform/index.ts';
import { definePlugin } from '../../../core/plugin/definition.ts';
import { Command, Status } from '../../../core/ring/layout.ts';
import { realClock } from '../../../plugins/platforms/embedded/clock.ts';
import type { DriverOutcome } from '../../../plugins/platforms/embedded/guest-device.ts';
import type { GuestAnswer, GuestRequest } from '../../../plugins/platforms/embedded/guest-ring.ts';
import type { IncludedGuest } from '../../../plugins/platforms/embedded/index.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, type EmbeddedHostOptions, startEmbeddedHost } from '../../kit/embedded-host.ts';

const connected = 4;
const nic = sample('e1000e').bdf;
const address = formatBdf(nic);
/** Registers of the sample. */
const COMMAND = 0x04;
const MSI = 0xd2;
const MSIX = 0xa2;
const MSI_ON = 0x0081;
const MSIX_ON = 0x8004;
const INTX_OFF = 0x0400;

let host: EmbeddedHost;
const start = async (options: EmbeddedHostOptions): Promise<EmbeddedHost> => {
  host = await startEmbeddedHost({ devices: [sample('e1000e')], ...options });
  return host;
};
afterEach(async () => {
  await host.close();
  const ledger = host.platform.hypervisor.ledger();
  expect(ledger.illegal).toEqual([]);
  expect(ledger.pirqs.filter((one) => one.kind !== 'line')).toEqual([]);
});

/** The guest's own driver, with the stock driver's order: MSI-X, then MSI, then the line. */
const driverUnder = async (options: EmbeddedHostOptions): Promise<DriverOutcome> => {
  await start(options);
  const guest = await host.guest([nic]);
  const { devices } = await guest.reached(connected);
  const driver = devices[0]?.driver;
  if (driver === undefined) throw new Error('no driver bound');
  return driver;
};
const mapped = (): string[] => host.platform.hypervisor.ledger().pirqs.map((one) => one.kind);
const hardware = (offset: number): number =>
  host.pciback.stub.devices[0]?.operations.hardware.readConfig(offset, 2) ?? Number.NaN;

/** A guest that no driver helps: a device model, or one that tries what it should not. */
class Trier {
  readonly #guest: IncludedGuest;
  constructor(guest: IncludedGuest) {
    this.#guest = guest;
  }
  static async under(options: EmbeddedHostOptions, name = 'trier'): Promise<Trier> {
    await start(options);
    return Trier.next(name);
  }
  static async next(name: string): Promise<Trier> {
    const guest = await host.guest([nic], { name, driver: 'none' });
    await guest.reached(connected);
    return new Trier(guest);
  }
  #ask(request: GuestRequest): Promise<GuestAnswer> {
    return this.#guest.request({ domain: 0, bus: 0, devfn: 0, ...request });
  }
  async write(offset: number, value: number): Promise<number> {
    return (await this.#ask({ cmd: Command.confWrite, offset, size: 2, value })).err;
  }
  async read(offset: number): Promise<number> {
    return (await this.#ask({ cmd: Command.confRead, offset, size: 2 })).value & 0xffff;
  }
  enable(kind: 'msi' | 'msix'): Promise<GuestAnswer> {
    if (kind === 'msi') return this.#ask({ cmd: Command.enableMsi });
    return this.#ask({ cmd: Command.enableMsix, value: 2, entries: [0, 1] });
  }
  async disable(kind: 'msi' | 'msix'): Promise<number> {
    return (await this.#ask({ cmd: kind === 'msi' ? Command.disableMsi : Command.disableMsix })).err;
  }
  /** MEMORY decode on: without it MSI-X is refused for another reason. */
  async decode(): Promise<void> {
    expect(await this.write(COMMAND, 0x0006)).toBe(Status.success);
  }
  async end(): Promise<void> {
    host.lines.length = 0;
    await this.#guest.stop();
    await host.platform.toolstack.destroy(this.#guest.domain);
    while (host.pciback.guests().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a stock driver', () => {
  it('strict: gets MSI-X', async () => {
    expect((await driverUnder({})).interrupts).toBe('msix');
  });

  it('msi-only: takes the refusal as "no MSI-X" and comes up with exactly one MSI vector', async () => {
    const driver = await driverUnder({ config: { interrupts: 'msi-only' } });
    expect(driver.interrupts).toBe('msi');
    expect(driver.vectors).toHaveLength(1);
    expect(driver.refused).toHaveLength(1);
    expect(mapped().filter((kind) => kind !== 'line')).toEqual(['msi']);
    expect(hardware(MSI) & 1).toBe(1);
    expect(hardware(MSIX) & 0x8000).toBe(0);
  });

  it('msi-only: the answer to enable_msix is an errno, in err and in value', async () => {
    const guest = await Trier.under({ config: { interrupts: 'msi-only' } });
    await guest.decode();
    const answer = await guest.enable('msix');
    expect([answer.err, answer.value | 0]).toEqual([-Errno.EINVAL, -Errno.EINVAL]);
  });

  it('intx-only: falls back to its line, which is on in hardware', async () => {
    const driver = await driverUnder({ config: { interrupts: 'intx-only' } });
    expect(driver.interrupts).toBe('line');
    expect(driver.refused).toHaveLength(2);
    expect(mapped().filter((kind) => kind !== 'line')).toEqual([]);
    expect(hardware(COMMAND) & INTX_OFF).toBe(0);
  });

  it('the policy is chosen per guest too', async () => {
    await start({ config: { interrupts: 'intx-only', guests: { fast: { interrupts: 'strict' } } } });
    const fast = await host.guest([nic], { name: 'fast' });
    expect((await fast.reached(connected)).devices[0]?.driver?.interrupts).toBe('msix');
  });

  it('a tap of interruptControl stays in front of the policy', async () => {
    const noMsi = definePlugin({
      name: 'test/no-msi',
      api: '^1.0',
      apply: (facade) => {
        facade.hooks.interruptControl.tap(({ kind }) => (kind === 'msi' ? { refused: 'not here' } : undefined));
      },
    });
    const driver = await driverUnder({ plugins: [noMsi], config: { interrupts: 'msi-only' } });
    expect(driver.interrupts).toBe('line');
  });
});

const allow = { allowInterruptControl: [address] };

describe('config writes', () => {
  it.each(['strict', 'guest-controlled', 'guest-controlled-2020'])(
    '%s, without the permission: access_denied, and INTX_DISABLE is the guest’s own',
    async (interrupts) => {
      const guest = await Trier.under({ config: { interrupts } });
      await guest.decode();
      expect(await guest.write(MSI, MSI_ON)).toBe(Status.accessDenied);
      expect(await guest.write(MSIX, MSIX_ON)).toBe(Status.accessDenied);
      expect(await guest.write(COMMAND, 0x0406)).toBe(Status.success);
      expect((await guest.read(COMMAND)) & INTX_OFF).toBe(INTX_OFF);
      expect([hardware(MSI), hardware(MSIX), hardware(COMMAND) & INTX_OFF]).toEqual([0x0080, 0x0004, 0]);
      expect((await guest.enable('msi')).err).toBe(Status.success);
    },
  );

  it('strict, with the permission: one kind at a time, INTx beside it', async () => {
    const guest = await Trier.under({ config: allow });
    expect(await guest.write(MSI, MSI_ON)).toBe(Status.success);
    expect(await guest.write(MSIX, MSIX_ON)).toBe(Status.accessDenied);
    expect(await guest.write(COMMAND, 0x0406)).toBe(Status.success);
    expect(hardware(COMMAND) & INTX_OFF).toBe(INTX_OFF);
    expect(await guest.write(COMMAND, 0x0006)).toBe(Status.success);
    expect(hardware(COMMAND) & INTX_OFF).toBe(0);
    expect(await guest.write(MSI, 0x0080)).toBe(Status.success);
    expect(await guest.write(MSIX, 0xc004)).toBe(Status.success);
    expect(hardware(MSIX)).toBe(0xc004);
  });

  it('guest-controlled: with the permission there is no second way through the ring', async () => {
    const guest = await Trier.under({ config: { ...allow, interrupts: 'guest-controlled' } });
    await guest.decode();
    expect((await guest.enable('msi')).err).toBe(Status.opFailed);
    expect((await guest.enable('msix')).err).toBe(-Errno.EINVAL);
    expect(await guest.write(MSIX, MSIX_ON)).toBe(Status.success);
    expect(hardware(MSIX)).toBe(MSIX_ON);
    expect(await guest.write(MSIX, 0x0004)).toBe(Status.success);
  });

  it('guest-controlled-2020: INTx off before MSI, MSI off before INTx (seed 476878e4b2)', async () => {
    const guest = await Trier.under({ config: { ...allow, interrupts: 'guest-controlled-2020' } });
    await guest.decode();
    expect(await guest.write(MSI, MSI_ON)).toBe(Status.accessDenied);
    expect(await guest.write(COMMAND, 0x0406)).toBe(Status.success);
    expect(await guest.write(MSI, MSI_ON)).toBe(Status.success);
    expect(await guest.write(COMMAND, 0x0006)).toBe(Status.accessDenied);
    expect((await guest.read(COMMAND)) & INTX_OFF).toBe(INTX_OFF);
    expect(hardware(COMMAND) & INTX_OFF).toBe(INTX_OFF);
    expect(await guest.write(MSI, 0x0080)).toBe(Status.success);
    expect(await guest.write(COMMAND, 0x0006)).toBe(Status.success);
    expect(hardware(COMMAND) & INTX_OFF).toBe(0);
  });

  it('guest-controlled-2020: a refused write of the command register does nothing of itself', async () => {
    const guest = await Trier.under({ config: { ...allow, interrupts: 'guest-controlled-2020' } });
    expect(await guest.write(COMMAND, 0x0400)).toBe(Status.success);
    expect(await guest.write(MSI, MSI_ON)).toBe(Status.success);
    const before = hardware(COMMAND);
    expect(await guest.write(COMMAND, 0x0007)).toBe(Status.accessDenied);
    expect(hardware(COMMAND)).toBe(before);
    expect((await guest.read(COMMAND)) & 0x0407).toBe(0x0400);
  });

  it('a kind that came on by a config write is seen by requests through the ring', async () => {
    const guest = await Trier.under({ config: allow });
    await guest.decode();
    expect(await guest.write(MSI, MSI_ON)).toBe(Status.success);
    expect((await guest.enable('msix')).err).toBe(-Errno.EINVAL);
    expect(hardware(MSIX)).toBe(0x0004);
  });

  it('what was switched off behind the host’s back does not bring INTx on beside the other kind', async () => {
    const guest = await Trier.under({ config: { ...allow, interrupts: 'guest-controlled-2020' } });
    await guest.decode();
    expect((await guest.enable('msi')).err).toBe(Status.success);
    expect(await guest.write(MSI, 0x0080)).toBe(Status.success);
    expect(await guest.write(MSIX, MSIX_ON)).toBe(Status.success);
    expect(await guest.disable('msi')).toBe(Status.success);
    expect([hardware(MSIX), hardware(COMMAND) & INTX_OFF]).toEqual([MSIX_ON, INTX_OFF]);
  });
});

describe('allowInterruptControl', () => {
  it('is cleared when the device comes back: the next guest has what the rc file says of it (seed 476878e4b2, S-4)', async () => {
    const first = await Trier.under(
      { config: { guests: { first: { devices: { [address]: { allowInterruptControl: true } } } } } },
      'first',
    );
    expect(host.pciback.stub.devices[0]?.operations.allowInterruptControl).toBe(true);
    expect(host.lines.some(({ message }) => message.startsWith('interrupt control:'))).toBe(true);
    expect(await first.write(MSI, MSI_ON)).toBe(Status.success);
    await first.end();
    expect(host.pciback.stub.devices[0]?.operations.allowInterruptControl).toBe(false);
    const second = await Trier.next('second');
    expect(hardware(MSI)).toBe(0x0080);
    expect(await second.write(MSI, MSI_ON)).toBe(Status.accessDenied);
    await second.end();
    const again = await Trier.next('first');
    expect(await again.write(MSI, MSI_ON)).toBe(Status.success);
  });

  it('the entry of a guest’s device counts before the list, both ways', async () => {
    const guest = await Trier.under({
      config: { ...allow, guests: { trier: { devices: { [address]: { allowInterruptControl: false } } } } },
    });
    expect(await guest.write(MSI, MSI_ON)).toBe(Status.accessDenied);
  });
});

describe('rate-limited', () => {
  it('a guest that toggles is refused until it has been calm, and can always switch off', async () => {
    let now = 0;
    const guest = await Trier.under({
      config: { interrupts: 'rate-limited' },
      clock: { ...realClock, now: () => now },
    });
    const toggle = async (): Promise<number> => {
      const { err } = await guest.enable('msi');
      expect(await guest.disable('msi')).toBe(Status.success);
      return err;
    };
    for (let i = 0; i < 20; i++) expect(await toggle()).toBe(Status.success);
    for (let i = 0; i < 20; i++) expect(await toggle()).toBe(Status.opFailed);
    now = 9_999;
    expect(await toggle()).toBe(Status.opFailed);
    now = 30_000;
    expect(await toggle()).toBe(Status.success);
  });

  it('the next guest starts with a window of its own', async () => {
    const first = await Trier.under({
      config: { interrupts: 'rate-limited' },
      clock: { ...realClock, now: () => 0 },
    });
    for (let i = 0; i < 21; i++) {
      expect((await first.enable('msi')).err).toBe(i < 20 ? Status.success : Status.opFailed);
      await first.disable('msi');
    }
    await first.end();
    const second = await Trier.next('second');
    expect((await second.enable('msi')).err).toBe(Status.success);
    await second.end();
  });
});
