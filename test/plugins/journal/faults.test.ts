// SPDX-License-Identifier: MIT

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import { Command, Status } from '../../../core/ring/layout.ts';
import { entryLine, headerLine, readJournal } from '../../../plugins/journal/record-text.ts';
import type { IncludedGuest } from '../../../plugins/platforms/embedded/guest.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { createRestartableHost, type RestartableHost } from '../../kit/restartable-host.ts';
import { until } from '../../kit/until.ts';

const BOOT = 'a start of the host';
const entries = [
  { kind: 'device', name: '0000:01:00.0', change: { guest: 3, cleaning: true } },
  { kind: 'device', name: '0000:01:00.0', change: { cleaning: null } },
  { kind: 'guest', name: '/local/domain/0/backend/pci/3/0', change: null },
] as const;
const whole = Buffer.concat([headerLine(BOOT), ...entries.map((one) => entryLine(one))]);

describe('the text of a journal', () => {
  it('is read as it was written', () => {
    expect(readJournal(whole, BOOT)).toEqual({ what: 'entries', entries, torn: 0 });
  });

  it('cut off at any byte is what was written before, or nothing', () => {
    const header = headerLine(BOOT).length;
    for (let length = 0; length < whole.length; length++) {
      const found = readJournal(whole.subarray(0, length), BOOT);
      if (length < header) expect([length, found.what]).toEqual([length, 'unusable']);
      else if (found.what === 'entries') expect(entries.slice(0, found.entries.length)).toEqual(found.entries);
      else expect([length, found.what]).toEqual([length, 'entries']);
    }
  });

  it('with any bit flipped is not used, and says what is left of it', () => {
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const bytes = Buffer.from(whole);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const found = readJournal(bytes, BOOT);
      expect([bit, found.what]).toEqual([bit, 'unusable']);
      if (found.what !== 'unusable') continue;
      const at = bit >> 3;
      const header = headerLine(BOOT).length;
      const known = entries.map(({ kind, name, change }) => ({ kind, name, change: change && {} }));
      // What a damaged beginning was the beginning of is not known.
      if (at < header) expect(found.entries.slice(-2)).toEqual(known.slice(-2));
      else if (at >= whole.length - entryLine(entries[2]).length) expect(found.entries).toEqual(entries.slice(0, 2));
    }
  });

  it('of another start of the host, and of another version, is told apart', () => {
    expect(readJournal(whole, 'another').what).toBe('other boot');
    const newer = Buffer.from(whole.toString('latin1').replace('"journal":1', '"journal":2'), 'latin1');
    expect(readJournal(newer, BOOT).what).toBe('unusable');
  });
});

const nic = sample('e1000e').bdf;
let host: RestartableHost;
let guest: IncludedGuest;
const journal = () => join(host.folder, 'journal');
const model = () => host.xen.pci.model(nic);
const messages = () => host.xen.hypervisor.ledger().pirqs.filter(({ kind }) => kind !== 'line').length;
const stateOf = (domain: number) => host.xen.xenstore.read(`/local/domain/0/backend/pci/${domain}/0/state`);
const said = (message: string) => host.lines.filter((line) => line.message === message);

beforeEach(async () => {
  host = createRestartableHost([sample('root-port'), sample('e1000e')]);
  await host.start();
  guest = await host.guest([nic]);
  await guest.reached(4);
});
afterEach(() => host.close());

describe('what cannot be continued', () => {
  it('a guest that went meanwhile: its device is made clean for the next one', async () => {
    host.kill();
    guest.crash();
    await host.xen.xenstore.transaction(async (view) => {
      await view.remove(`/local/domain/0/backend/pci/${guest.domain}`);
      await view.remove(`/local/domain/${guest.domain}`);
      await view.remove(`/libxl/pci/${formatBdf(nic).replaceAll(/[:.]/g, '-')}`);
    });
    host.xen.hypervisor.destroyDomain(guest.domain);
    const { resets } = model().counters;
    await host.start();
    expect(model().counters.resets).toBe(resets + 1);
    expect(host.running.engine.guests()).toEqual([]);
    const next = await host.guest([nic]);
    await next.reached(4);
    expect((await next.request({ cmd: Command.confRead, offset: 0, size: 4 })).value).toBe(0x10d38086);
  });

  it('a device that the host took meanwhile: its guest is told to close, and keeps no PIRQ of it', async () => {
    host.kill();
    host.xen.pci.takeFor(nic, 'e1000e');
    const { writes, resets } = model().counters;
    await host.start();
    await until('it closes', async () => ['5', '6'].includes((await stateOf(guest.domain)) ?? ''));
    expect({ writes, resets }).toEqual({ writes: model().counters.writes, resets: model().counters.resets });
    expect(messages()).toBe(0);
    host.xen.pci.takeFor(nic, undefined);
  });

  it('a device that the host had meanwhile, and whose addresses it moved: saved anew, and clean', async () => {
    await guest.stop();
    await host.xen.toolstack.destroy(guest.domain);
    await until('it is given back', () => host.running.engine.ledger().assigned === 0);
    host.kill();
    host.xen.pci.takeFor(nic, 'e1000e');
    const moved = 0xfe400000n;
    model().moveBar(0, moved);
    host.xen.pci.takeFor(nic, undefined);
    const { resets } = model().counters;
    await host.start();
    expect(model().counters.resets).toBe(resets + 1);
    expect(said('the host had the device meanwhile: what it has now is what it gets back')).toHaveLength(1);
    const next = await host.guest([nic]);
    await next.reached(4);
    await next.stop();
    await host.xen.toolstack.destroy(next.domain);
    await until('it is given back again', () => host.running.engine.ledger().assigned === 0);
    expect(BigInt(model().peek(0x10, 4) >>> 0) & ~0xfn).toBe(moved);
  });

  it('a quarantine that the host has ended meanwhile is none any more, and one that it has not stays', async () => {
    await guest.stop();
    await host.xen.toolstack.destroy(guest.domain);
    await until('it is given back', () => host.running.engine.ledger().assigned === 0);
    for (const device of host.running.engine.stub.devices) {
      device.quarantine = 'of a test';
      host.running.engine.stub.noteFree(device);
    }
    const quarantine = () => host.running.engine.stub.devices.map((one) => one.quarantine);
    await host.restart();
    expect(quarantine()).toEqual(['of a test']);
    host.kill();
    host.xen.pci.takeFor(nic, 'e1000e');
    host.xen.pci.takeFor(nic, undefined);
    await host.start();
    expect(quarantine()).toEqual([undefined]);
  });

  it('a device that the host had meanwhile and that stops answering is quarantined, and written nothing from before', async () => {
    await guest.stop();
    await host.xen.toolstack.destroy(guest.domain);
    await until('it is given back', () => host.running.engine.ledger().assigned === 0);
    host.kill();
    host.xen.pci.takeFor(nic, 'e1000e');
    host.xen.pci.takeFor(nic, undefined);
    const { resets } = model().counters;
    host.called = (call) => {
      if (call === 'pci.holdingOf') model().isSilent = true;
    };
    await host.start();
    expect(host.running.engine.stub.devices.map(({ quarantine }) => quarantine)).toEqual([
      expect.stringContaining('does not answer'),
    ]);
    expect(model().counters.resets).toBe(resets);
    host.called = () => undefined;
    model().isSilent = false;
  });

  it('an address that the slot mapper would give otherwise: the guest is told to close, its device is clean', async () => {
    await host.restart({ config: { slots: 'passthrough' } });
    await until('it closes', async () => ['5', '6'].includes((await stateOf(guest.domain)) ?? ''));
    await until('it is given back', () => host.running.engine.ledger().assigned === 0);
    expect(messages()).toBe(0);
    expect(said('guest failed')[0]?.facts.error).toContain('cannot be continued');
  });

  it('a guest that died between mapping a PIRQ and knowing its number keeps none when its device is taken from it', async () => {
    await guest.request({ cmd: Command.disableMsix });
    expect(messages()).toBe(0);
    const killed = new Promise<void>((resolve) => {
      host.called = (call, when) => {
        if (call === 'interrupts.mapMsix' && when === 'after') resolve(host.killInside(guest));
      };
    });
    void guest.request({ cmd: Command.enableMsix, value: 1, entries: [2] });
    await killed;
    host.called = () => undefined;
    expect(messages()).toBe(1);
    await host.start({ config: { slots: 'passthrough' } });
    await until('it closes', async () => ['5', '6'].includes((await stateOf(guest.domain)) ?? ''));
    expect(messages()).toBe(0);
  });

  it('a field set that no plugin brings any more: its registers are named, the others go on', async () => {
    await guest.request({ cmd: Command.confWrite, offset: 0x10, size: 4, value: 0xffffffff });
    await host.restart({ config: { without: ['fields/power'] } });
    const answer = await guest.request({ cmd: Command.confRead, offset: 0x10, size: 4 });
    expect(answer).toMatchObject({ err: Status.success, value: 0xfffe0000 });
    const [lost] = said('registers that no plugin has any more');
    expect(String(lost?.facts.registers)).toContain('power management');
  });
});

describe('the files', () => {
  it('are for nobody else, and gone after an orderly end', async () => {
    expect(statSync(journal()).mode & 0o777).toBe(0o600);
    expect(statSync(join(host.folder, 'words')).mode & 0o777).toBe(0o600);
    await host.xen.toolstack.destroy(guest.domain);
    await host.running.stop();
    expect(() => statSync(journal())).toThrow('ENOENT');
    await host.start();
  });
});
