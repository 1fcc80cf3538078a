// SPDX-License-Identifier: MIT

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { Command } from '../../../core/ring/layout.ts';
import { crc32 } from '../../../plugins/journal/crc32.ts';
import type { IncludedGuest } from '../../../plugins/platforms/embedded/guest.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { createRestartableHost, type RestartableHost } from '../../kit/restartable-host.ts';
import { until } from '../../kit/until.ts';

const nic = sample('e1000e').bdf;
const other = sample('tg3').bdf;
let host: RestartableHost;
let guest: IncludedGuest;
/** Of the network controller, before a guest had it. */
let fresh: string;

const journal = () => join(host.folder, 'journal');
const shown = (bdf: Bdf) => Buffer.from(host.xen.pci.model(bdf).snapshot()).toString('hex');
const stateOf = async ({ domain }: IncludedGuest) =>
  Number(await host.xen.xenstore.read(`/local/domain/0/backend/pci/${domain}/0/state`));
const messages = () => host.xen.hypervisor.ledger().pirqs.filter(({ kind }) => kind !== 'line').length;
const said = (message: string) => host.lines.filter((line) => line.message === message);
const isClosed = () => until('it closes', async () => [5, 6].includes(await stateOf(guest)));

beforeEach(async () => {
  host = createRestartableHost([sample('root-port'), sample('e1000e'), sample('tg3')]);
  await host.start();
  await host.running.engine.stub.seize(nic);
  fresh = shown(nic);
  guest = await host.guest([nic]);
  await guest.reached(4);
  // A bus master with messages, and a register that is not as it was.
  await guest.request({ cmd: Command.confWrite, offset: 0x0c, size: 1, value: 0x33 });
  expect(messages()).toBeGreaterThan(0);
});
afterEach(() => host.close());

const damage: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  'a bit of its beginning is another one': (bytes) => flipped(bytes, 40),
  'a bit of its middle is another one': (bytes) => flipped(bytes, bytes.length >> 1),
  'a bit of its end is another one': (bytes) => flipped(bytes, bytes.length - 30),
  'a line is missing its end': (bytes) => Buffer.concat([bytes.subarray(0, 300), bytes.subarray(320)]),
  'it is empty': () => Buffer.alloc(0),
  'it is something else': () => Buffer.from('not a journal\nat all\n'),
  'its version is not known': (bytes) => {
    const end = bytes.indexOf(0x0a);
    const header = JSON.parse(bytes.toString('latin1', 24, end)) as object;
    return Buffer.concat([lineOf({ ...header, journal: 99 }), bytes.subarray(end + 1)]);
  },
};
const flipped = (bytes: Buffer, at: number): Buffer => {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
};
const lineOf = (value: unknown): Buffer => {
  const text = JSON.stringify(value);
  const digits = (one: number): string => (one >>> 0).toString(16).padStart(8, '0');
  return Buffer.from(`${digits(text.length)}${digits(~text.length)}${digits(crc32(Buffer.from(text)))}${text}\n`);
};
const spoil = (how: (bytes: Buffer) => Buffer): void => {
  const bytes = how(readFileSync(journal()));
  writeFileSync(journal(), bytes);
};

describe('a journal that cannot be used', () => {
  it.each(Object.keys(damage))('%s: the guest is closed in order, its device is clean', async (name) => {
    host.kill();
    const { resets } = host.xen.pci.model(nic).counters;
    spoil(damage[name] ?? ((bytes) => bytes));
    const bytes = readFileSync(journal());
    await host.start();
    await isClosed();
    expect(readFileSync(`${journal()}.unusable`)).toEqual(bytes);
    expect(said('journal of an earlier process not used: its guests are closed')).toHaveLength(1);
    const error = await host.xen.xenstore.read(`/local/domain/0/error/backend/pci/${guest.domain}/0/error`);
    expect(error).toContain('cannot be continued: its journal cannot be used');
    expect(messages()).toBe(0);
    expect(host.running.engine.ledger()).toMatchObject({ pirqs: 0, assigned: 0 });
    // While it closes its end it is answered: it waits for nothing.
    await until('it has closed its end', async () => (await stateOf(guest)) === 6);
    expect(guest.report().refusals.filter(({ status }) => status === 'no answer')).toEqual([]);
    expect(host.running.engine.ledger()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
    expect(host.xen.pci.model(nic).counters.resets).toBe(resets + 1);
    // What is lost with its record: a register that the guest had changed.
    const isLost = said('what the device had before is lost: it keeps what it has now').length > 0;
    if (!isLost) expect(shown(nic)).toBe(fresh);
    expect(host.xen.pci.model(nic).readConfig(0x04, 2) & 0x4).toBe(0);
    // It can be had again, by the same guest too.
    await host.xen.toolstack.destroy(guest.domain);
    const next = await host.guest([nic]);
    await next.reached(4);
    expect((await next.request({ cmd: Command.confRead, offset: 0, size: 4 })).value).toBe(0x10d38086);
    expect(messages()).toBeGreaterThan(0);
    // And the next process goes on.
    await host.restart();
    expect(await stateOf(next)).toBe(4);
    expect((await next.request({ cmd: Command.confRead, offset: 0, size: 4 })).value).toBe(0x10d38086);
  });

  it('most of it is enough to give a device what it had', async () => {
    host.kill();
    // The last line is about the guest.
    spoil((bytes) => flipped(bytes, bytes.length - 30));
    await host.start();
    await isClosed();
    expect(said('what the device had before is lost: it keeps what it has now')).toEqual([]);
    expect(shown(nic)).toBe(fresh);
  });

  it('a guest that another back end serves is left alone, whatever is left of the journal', async () => {
    const second = await host.guest([other]);
    await second.reached(4);
    host.kill();
    const port = Number(await host.xen.xenstore.read(`/local/domain/${second.domain}/device/pci/0/event-channel`));
    host.xen.hypervisor.domain(0).events.bindInterdomain(second.domain, port, () => undefined);
    const before = { config: shown(other), counters: { ...host.xen.pci.model(other).counters } };
    spoil((bytes) => flipped(bytes, bytes.length >> 1));
    await host.start({ config: { hide: [formatBdf(other)] } });
    await isClosed();
    expect(await stateOf(second)).toBe(4);
    expect({ config: shown(other), counters: host.xen.pci.model(other).counters }).toEqual(before);
    await expect(host.running.engine.stub.seize(other)).rejects.toMatchObject({ code: 'DEVICE_FOREIGN' });
  });

  it('killed again before the guest is closed, the next process closes it', async () => {
    for (let place = 0, isKilled = true; isKilled; place++) {
      host.kill();
      spoil((bytes) => flipped(bytes, bytes.length >> 1));
      isKilled = false;
      let count = 0;
      const killed = new Promise<void>((resolve) => {
        host.called = (call) => {
          if (/read|list/i.test(call) || count++ !== place) return;
          isKilled = true;
          resolve(host.killInside(guest));
        };
      });
      const started = host.start().catch(() => undefined);
      await Promise.race([killed, started]);
      host.called = () => undefined;
      if (isKilled) {
        await killed;
        await host.start();
      }
      await isClosed();
      await until('it is given back', () => host.running.engine.ledger().assigned === 0);
      expect([place, messages()]).toEqual([place, 0]);
      await host.xen.toolstack.destroy(guest.domain);
      guest = await host.guest([nic]);
      await guest.reached(4);
    }
  });
});

describe('a journal that is there in part', () => {
  it('of another start of the host closes nobody', async () => {
    host.kill();
    spoil((bytes) => {
      const end = bytes.indexOf(0x0a);
      const header = JSON.parse(bytes.toString('latin1', 24, end)) as object;
      return flipped(
        Buffer.concat([lineOf({ ...header, boot: 'another' }), bytes.subarray(end + 1)]),
        bytes.length - 30,
      );
    });
    await host.start();
    expect(await stateOf(guest)).toBe(4);
    expect(said('served by another back end, or left by one: not taken over')).toHaveLength(1);
  });
});
