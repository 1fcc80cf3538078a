// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../core/bdf.ts';
import type { InterruptPolicy } from '../../core/interrupts.ts';
import { definePlugin } from '../../core/plugin/definition.ts';
import { Request } from '../../core/ring/request.ts';
import { sample } from '../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../kit/embedded-host.ts';

const nic = sample('e1000e').bdf;
const COMMAND = 0x04;
const MSI = 0xd2;
const MSIX = 0xa2;

type Step =
  | { readonly do: 'write'; readonly offset: number; readonly value: number }
  | { readonly do: 'enable' | 'disable'; readonly kind: 'msi' | 'msix' };

const write = (offset: number, ...values: number[]) =>
  fc.constantFrom(...values).map((value): Step => ({ do: 'write', offset, value }));

const kind = fc.constantFrom('msi' as const, 'msix' as const);
const step: fc.Arbitrary<Step> = fc.oneof(
  write(MSI, 0x0080, 0x0081, 0x0091),
  write(MSIX, 0x0004, 0x8004, 0x4004, 0xc004),
  write(COMMAND, 0x0000, 0x0002, 0x0006, 0x0400, 0x0402, 0x0406),
  kind.map((one): Step => ({ do: 'enable', kind: one })),
  kind.map((one): Step => ({ do: 'disable', kind: one })),
);

/** A researcher's policy that says yes to everything: what no policy may bring about is not its business. */
const lax: InterruptPolicy = { allowsControlWord: () => true, decidesIntx: () => 'hardware' };

let host: EmbeddedHost;
afterEach(() => host.close());

const run = async (policy: string, exclusive: 'messages' | 'all three') => {
  const anything = definePlugin({
    name: 'test/lax',
    api: '^1.0',
    apply: (facade) => {
      facade.interrupts.add('lax', lax);
    },
  });
  host = await startEmbeddedHost({
    devices: [sample('e1000e')],
    plugins: [anything],
    config: { interrupts: policy, allowInterruptControl: [formatBdf(nic)] },
  });
  const guest = await host.guest([nic], { driver: 'none' });
  await guest.reached(4);
  const [device] = host.pciback.stub.devices;
  if (device?.assignment === undefined) throw new Error('not assigned');
  const { operations, assignment } = device;
  const { hardware } = operations;
  const on = () => ({
    msi: (hardware.readConfig(MSI, 2) & 0x0001) !== 0,
    msix: (hardware.readConfig(MSIX, 2) & 0x8000) !== 0,
    intx: (hardware.readConfig(COMMAND, 2) & 0x0400) === 0,
  });
  const ask = (one: Step): void => {
    if (one.do === 'write') return void assignment.space.write(one.offset, 2, one.value);
    const request = new Request();
    request.value = 1;
    request.sealed();
    const { interrupts } = assignment;
    if (one.do === 'enable') one.kind === 'msi' ? interrupts.enableMsi(request) : interrupts.enableMsix(request);
    else one.kind === 'msi' ? interrupts.disableMsi(request) : interrupts.disableMsix(request);
  };
  const reached = new Set<string>();
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 16 }), (steps) => {
      assignment.interrupts.teardown();
      operations.turnOff();
      for (const one of steps) {
        const before = on();
        ask(one);
        const { msi, msix, intx } = on();
        expect(msi && msix, `${JSON.stringify(one)} after ${JSON.stringify(before)}`).toBe(false);
        if (exclusive === 'all three') expect((msi || msix) && intx, JSON.stringify(one)).toBe(false);
        reached.add(msi ? 'msi' : msix ? 'msix' : intx ? 'intx' : 'none');
      }
    }),
    { numRuns: 300 },
  );
  // What is still mapped is what the ledger has: one MSI, or the one MSI-X entry of the last request.
  expect(host.pciback.ledger().pirqs).toBeLessThanOrEqual(1);
  expect(host.platform.hypervisor.ledger().illegal).toEqual([]);
  return reached;
};

describe('a policy never leaves two kinds on', () => {
  it.each(['strict', 'guest-controlled', 'lax'])('%s: MSI and MSI-X', async (policy) => {
    expect([...(await run(policy, 'messages'))].sort()).toEqual(['intx', 'msi', 'msix', 'none']);
  });

  it('guest-controlled-2020: MSI, MSI-X and INTx', async () => {
    expect([...(await run('guest-controlled-2020', 'all three'))].sort()).toEqual(['intx', 'msi', 'msix', 'none']);
  });

  it('msi-only: never MSI-X at all', async () => {
    expect([...(await run('msi-only', 'messages'))].sort()).toEqual(['intx', 'msi', 'none']);
  });

  it('intx-only: neither', async () => {
    expect([...(await run('intx-only', 'messages'))].sort()).toEqual(['intx', 'none']);
  });

  it('rate-limited: as the policy inside', async () => {
    const reached = await run('rate-limited', 'messages');
    expect(reached.has('intx')).toBe(true);
  });
});
