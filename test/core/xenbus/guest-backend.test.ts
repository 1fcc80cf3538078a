// SPDX-License-Identifier: MIT

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bdf } from '../../../core/bdf.ts';
import type { StoreView } from '../../../core/platform/index.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

let host: EmbeddedHost;
let nic: Bdf;
beforeEach(async () => {
  host = await startEmbeddedHost({ config: { shutdownSeconds: 0.05 } });
  const found = (await host.platform.pci.list()).find((one) => one.device === 0x10d3);
  if (found === undefined) throw new Error('no sample');
  nic = found.bdf;
  await host.pciback.stub.seize(nic);
});
afterEach(() => host.close());

const until = async (what: string, test: () => Promise<boolean> | boolean): Promise<void> => {
  for (let i = 0; i < 300; i++) {
    if (await test()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`never: ${what}`);
};

/** A guest without a front end: its keys are written by the test. */
const bareGuest = async (): Promise<{ domain: number; back: string; front: string }> => {
  const domain = await host.platform.toolstack.create({ devices: [nic] });
  return { domain, back: `/local/domain/0/backend/pci/${domain}/0`, front: `/local/domain/${domain}/device/pci/0` };
};
const read = (path: string) => host.platform.xenstore.read(path);
const write = (path: string, value: string) => host.platform.xenstore.write(path, value);

describe('front-end keys that are wrong', () => {
  it.each([
    ['no pci-op-ref', { 'event-channel': '9', magic: '7' }, 'pci-op-ref'],
    ['a negative pci-op-ref', { 'pci-op-ref': '-1', 'event-channel': '9', magic: '7' }, 'pci-op-ref'],
    ['a pci-op-ref of 33 bits', { 'pci-op-ref': '4294967296', 'event-channel': '9', magic: '7' }, 'pci-op-ref'],
    ['a port that is no number', { 'pci-op-ref': '8', 'event-channel': 'x', magic: '7' }, 'event-channel'],
    ['another protocol', { 'pci-op-ref': '8', 'event-channel': '9', magic: '8' }, 'magic'],
    ['a grant that does not exist', { 'pci-op-ref': '4000', 'event-channel': '9', magic: '7' }, 'grant'],
  ])('%s: the back end closes, says why, and the device is free', async (_, keys, said) => {
    const { domain, back, front } = await bareGuest();
    await until('initialised', async () => (await read(`${back}/state`)) === '3');
    for (const [key, value] of Object.entries(keys)) await write(`${front}/${key}`, value);
    await write(`${front}/state`, '3');
    await until('closing', async () => (await read(`${back}/state`)) === '5');
    await until('free', () => host.pciback.stub.devices.every((device) => device.assignment === undefined));
    expect(await read(`/local/domain/0/error/backend/pci/${domain}/0/error`)).toContain(said);
    expect(host.platform.hypervisor.ledger()).toMatchObject({ mapped: [] });
  });
});

describe('the toolstack’s side', () => {
  it('a directory that vanishes ends the guest and frees its device', async () => {
    const { back } = await bareGuest();
    await until('initialised', async () => (await read(`${back}/state`)) === '3');
    await host.platform.xenstore.remove(back);
    await until('gone', () => host.pciback.guests().length === 0);
    expect(host.pciback.ledger().assigned).toBe(0);
    expect(await read(back)).toBeUndefined();
  });

  it('a back end that was left connected by somebody else is not taken over', async () => {
    const back = '/local/domain/0/backend/pci/77/0';
    await write(`${back}/state`, '4');
    await until('warned', () => host.lines.some((line) => line.message.includes('not taken over')));
    expect(host.pciback.guests()).toEqual([]);
  });

  it('a front end that says Connected without being attached changes nothing (D-X3)', async () => {
    const { back, front } = await bareGuest();
    await until('initialised', async () => (await read(`${back}/state`)) === '3');
    await write(`${front}/state`, '4');
    await until('seen', () => host.lines.some((line) => line.facts.end === 'front' && line.facts.to === 'Connected'));
    expect(await read(`${back}/state`)).toBe('3');
  });

  it('a store that refuses transactions gets no write outside of one (seed 402c5e15b4)', async () => {
    const { domain, back } = await bareGuest();
    await until('initialised', async () => (await read(`${back}/state`)) === '3');
    const { xenstore } = host.platform;
    const original = xenstore.transaction.bind(xenstore);
    const attempts: string[] = [];
    xenstore.transaction = async <T>(_: (view: StoreView) => Promise<T>): Promise<T> => {
      attempts.push('transaction');
      throw new Error('no transaction today');
    };
    await original(async (view) => view.write(`/local/domain/${domain}/device/pci/0/state`, '5'));
    await until('tried', () => attempts.length > 0);
    expect(await read(`${back}/state`)).toBe('3');
    xenstore.transaction = original;
  });
});

describe('front ends that toggle their state (XSA-349)', () => {
  it('cost one look at a time and end in the state that was written last', async () => {
    const { back, front } = await bareGuest();
    await until('initialised', async () => (await read(`${back}/state`)) === '3');
    for (let i = 0; i < 500; i++) await write(`${front}/state`, String(1 + (i % 2)));
    await write(`${front}/state`, '6');
    await until('closed', async () => (await read(`${back}/state`)) === '6');
    expect(host.lines.filter((line) => line.message === 'guest state').length).toBeLessThan(1200);
  });
});
