// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runLedger } from '../../../plugins/commands/ledger-run.ts';
import { ledgerOf } from '../../../plugins/ledger/operations.ts';
import { type EmbeddedPlatform, sample } from '../../../plugins/platforms/embedded/index.ts';
import { commandContext } from '../../kit/command-context.ts';
import { type EmbeddedHost, type EmbeddedHostOptions, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { until } from '../../kit/until.ts';

const nic = sample('e1000e');
let home = '';
let path = '';
let host: EmbeddedHost;

const begin = async (between?: EmbeddedHostOptions['between']): Promise<void> => {
  home = mkdtempSync(join(tmpdir(), 'pciback-ledger-'));
  path = join(home, 'control.sock');
  host = await startEmbeddedHost({ devices: [nic], config: { control: path }, ...(between && { between }) });
};
afterEach(async () => {
  await host.close();
  rmSync(home, { recursive: true });
});

const boot = async () => {
  const guest = await host.guest([nic.bdf], { name: 'web' });
  await guest.reached(4);
  await until('interrupts are on', () => host.pciback.ledger().pirqs > 0);
  return guest;
};
const leaks = () => host.lines.filter(({ facts }) => facts.code === 'LEAK').map(({ facts }) => facts.why);
const print = async (): Promise<{ status: number; printed: string[] }> => {
  const { context, printed, close } = commandContext({ control: path, ledger: true });
  const status = await runLedger(context);
  await close();
  return { status, printed };
};

describe('the ledger', () => {
  beforeEach(() => begin());

  it('counts what is acquired where it is acquired, and is what the hypervisor says', async () => {
    const { domain } = (await boot()).report();
    const report = await ledgerOf(host.pciback);
    const { pirqs } = report.ledger;
    expect(report.ledger).toMatchObject({ mapped: 1, bound: 1, assigned: 1 });
    expect(report.held.filter(({ kind }) => kind === 'pirq')).toHaveLength(pirqs);
    expect(report.held.filter((one) => one.domain === domain)).toHaveLength(2 + pirqs);
    expect(report.rows.map(({ what, ours, theirs, equal }) => [what, ours, theirs, equal])).toEqual([
      ['pages of guests', 1, 1, true],
      ['event channels', 1, 1, true],
      ['PIRQs', pirqs, pirqs, true],
      ['0000:01:00.0', 'seized', 'pciback', true],
      [`domain ${domain}`, 'Connected', 'there', true],
    ]);
    expect(report.notAsked).toEqual(['xenstore watches']);
    expect(report.process.descriptors).toBeGreaterThan(3);
  });

  it('is printed beside what the hypervisor says', async () => {
    await boot();
    const { status, printed } = await print();
    expect(status).toBe(0);
    expect(printed).toEqual(
      expect.arrayContaining([expect.stringMatching(/^equal +pages of guests +1 +1 +hypervisor$/)]),
    );
    expect(printed.at(-1)).toBe('the ledger is right');
  });

  it('is empty again when a guest is gone, and says nothing then', async () => {
    const guest = await boot();
    await host.platform.toolstack.destroy(guest.report().domain);
    await until('given back', () => host.pciback.ledger().assigned === 0);
    expect(host.pciback.ledger()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
    expect(host.platform.held().filter(({ domain }) => domain !== undefined)).toEqual([]);
    expect(leaks()).toEqual([]);
  });

  it('stands in the counters of its part', async () => {
    await boot();
    const { counters } = host.parts.reports().find(({ name }) => name === 'ledger') ?? {};
    expect(counters).toMatchObject({ pages: 1, channels: 1, devices: 1, leaks: 0 });
    expect(counters?.watches).toBeGreaterThan(2);
  });
});

/** Keeps a page that it should give back, a channel, or PIRQs. */
const forgetting = (what: 'page' | 'channel' | 'pirq') => (platform: EmbeddedPlatform) => ({
  ...platform,
  grants: {
    map: (domain: number, reference: number) => {
      const page = platform.grants.map(domain, reference);
      return what === 'page' ? { ...page, unmap: () => undefined } : page;
    },
  },
  events: {
    bindInterdomain: (domain: number, port: number, listener: () => void) => {
      const channel = platform.events.bindInterdomain(domain, port, listener);
      return what === 'channel' ? { ...channel, close: () => undefined } : channel;
    },
  },
  interrupts: { ...platform.interrupts, ...(what === 'pirq' ? { unmap: () => undefined } : {}) },
});

describe('a leak', () => {
  it.each([
    ['page', /^the connection of domain \d+ has ended, still held: page of domain \d+ \(reference \d+\)$/],
    ['channel', /^the connection of domain \d+ has ended, still held: channel of domain \d+ \(port \d+\)$/],
    [
      'pirq',
      /^0000:01:00\.0 has come back from domain \d+, still held: pirq of domain \d+ \(0000:01:00\.0 entry 0: PIRQ \d+\)/,
    ],
  ] as const)('of a %s is an error in the log, with what it is', async (what, expected) => {
    await begin(forgetting(what));
    const guest = await boot();
    await host.platform.toolstack.detach(guest.report().domain, nic.bdf).catch(() => undefined);
    await host.platform.toolstack.destroy(guest.report().domain);
    await until('returned', () => host.pciback.ledger().assigned === 0 && leaks().length > 0);
    expect(leaks()).toEqual(expect.arrayContaining([expect.stringMatching(expected)]));
    await host.pciback.stop();
    expect(leaks().at(-1)).toMatch(/^all guests have been ended, still held: /);
  });

  it('that the hypervisor sees and pciback does not is a difference, and status 1', async () => {
    await begin();
    await boot();
    // Somebody maps a page without the platform.
    const [page] = host.platform.held();
    const reference = Number(/\d+/.exec(page?.what ?? '')?.[0]);
    const guest = host.platform.hypervisor.ledger().mapped[0];
    host.platform.hypervisor.domain(0).grants.map(guest?.domain ?? 0, guest?.reference ?? reference);
    const { status, printed } = await print();
    expect(status).toBe(1);
    expect(printed).toEqual(expect.arrayContaining([expect.stringMatching(/^DIFFERS +pages of guests +1 +2 /)]));
    expect(printed.at(-1)).toBe('the ledger is wrong in 1 places');
  });
});
