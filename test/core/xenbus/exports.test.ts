// SPDX-License-Identifier: MIT

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { Command, Status } from '../../../core/ring/layout.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { createManualClock, type ManualClock } from '../../kit/manual-clock.ts';
import { type PlainFront, plainFront } from '../../kit/plain-front.ts';
import { until } from '../../kit/until.ts';

/** The second one, on a bus of its own: the guest finds it at the next virtual slot. */
const [nic, second] = [sample('e1000e', 0), sample('e1000e', 1)];
/** Power management control of the sample. */
const PMCSR = 0xcc;
const D3HOT = { cmd: Command.confWrite, offset: PMCSR, size: 2, value: 3 } as const;

let clock: ManualClock;
let host: EmbeddedHost;
let guest: PlainFront & { readonly domain: number };

const read = (path: string) => host.platform.xenstore.read(path);
const write = (path: string, value: string) => host.platform.xenstore.write(path, value);
const reaches = (state: string) => until(`state ${state}`, async () => (await read(`${guest.back}/state`)) === state);
const deviceOf = (address: Bdf) => host.pciback.stub.devices.find((one) => one.bdf === address);
const isFree = (address: Bdf) => deviceOf(address)?.assignment === undefined;
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

beforeEach(async () => {
  clock = createManualClock();
  host = await startEmbeddedHost({ clock, devices: [nic, second], config: { shutdownSeconds: 0 } });
  for (const one of [nic, second]) await host.pciback.stub.seize(one.bdf);
  const domain = await host.platform.toolstack.create({ devices: [nic.bdf] });
  guest = { domain, ...(await plainFront(host.platform, domain)) };
  await reaches('4');
  await write(`${guest.front}/state`, '4');
});
afterEach(async () => {
  const closed = host.close();
  for (let turn = 0; turn < 200; turn++) {
    await turns(1);
    clock.advance(20);
  }
  await closed;
  expect(host.platform.hypervisor.ledger()).toMatchObject({ mapped: [], bound: [], illegal: [] });
});

/** The toolstack plugs the second device in; the guest follows. */
const plugIn = async (): Promise<void> => {
  await host.platform.xenstore.transaction(async (view) => {
    await view.write(`${guest.back}/dev-1`, formatBdf(second.bdf));
    await view.write(`${guest.back}/state-1`, '1');
    await view.write(`${guest.back}/num_devs`, '2');
    await view.write(`${guest.back}/state`, '7');
  });
  await write(`${guest.front}/state`, '7');
};

/** Makes the announcement of the second device fail; `before` runs when it is placed already. */
const failAnnouncing = (before: () => Promise<void>): void => {
  const { xenstore } = host.platform;
  const transaction = xenstore.transaction.bind(xenstore);
  xenstore.transaction = async (work) => {
    if (isFree(second.bdf)) return transaction(work);
    xenstore.transaction = transaction;
    await before();
    throw new Error('no room in the store');
  };
};

/** Virtual slot of the second device under the mapper `vpci`. */
const devfnOfSecond = 1 << 3;

describe('an export that fails when the guest has found the device already', () => {
  it('waits for the request that runs before the device is given back', async () => {
    let answer: Promise<{ err: number }> | undefined;
    let placed = false;
    failAnnouncing(async () => {
      answer = guest.ring.request({ ...D3HOT, devfn: devfnOfSecond });
      await until('the device changes its power state', () => deviceOf(second.bdf)?.operations.busy === true);
      placed = true;
    });
    await plugIn();
    await until('the announcement has failed', () => placed);
    await turns(200);
    expect(isFree(second.bdf)).toBe(false);
    clock.advance(10);
    expect((await answer)?.err).toBe(Status.success);
    // Woken again before it is cleaned.
    await turns(50);
    clock.advance(10);
    await until('given back', () => isFree(second.bdf));
    await reaches('8');
    expect(await read(`${guest.back}/state-1`)).toBe('6');
  });

  it('leaves nothing at its address, and the place to the next one', async () => {
    failAnnouncing(async () => {});
    await plugIn();
    await reaches('8');
    await write(`${guest.front}/state`, '4');
    await reaches('4');
    const probe = { cmd: Command.confRead, devfn: devfnOfSecond, offset: 0, size: 2 };
    expect((await guest.ring.request(probe)).err).toBe(Status.devNotFound);
    await plugIn();
    await reaches('8');
    expect(await read(`${guest.back}/vdev-1`)).toBe('0000:00:01.00');
    expect((await guest.ring.request(probe)).err).toBe(Status.success);
  });
});

describe('the number of devices', () => {
  it.each([
    ['1024', 8],
    ['1025', 5],
    ['4294967295', 5],
    ['-1', 5],
    ['', 5],
  ])('%j leads to state %i', async (count, state) => {
    await write(`${guest.back}/num_devs`, count);
    const { xenstore } = host.platform;
    const original = xenstore.read.bind(xenstore);
    let reads = 0;
    xenstore.read = (path) => {
      if (path.includes('/state-')) reads++;
      return original(path);
    };
    await write(`${guest.back}/state`, '7');
    await write(`${guest.front}/state`, '7');
    await reaches(String(state));
    expect(reads).toBe(state === 8 ? 1024 : 0);
    if (state === 5)
      expect(await read(`/local/domain/0/error/backend/pci/${guest.domain}/0/error`)).toContain('num_devs');
  });
});

describe('an entry that asks for its device to be taken (D-X10)', () => {
  it.each([
    ['the address that the device has', '0000:00:00.00', true],
    ['an address that another one had before the indices moved', '0000:00:01.00', false],
  ])('is heeded with %s: %s, %s', async (_, vdev, taken) => {
    await write(`${guest.back}/vdev-0`, vdev);
    await write(`${guest.back}/state-0`, '5');
    await write(`${guest.back}/state`, '7');
    await write(`${guest.front}/state`, '7');
    await reaches('8');
    expect(isFree(nic.bdf)).toBe(taken);
    const { err } = await guest.ring.request({ cmd: Command.confRead, devfn: 0, offset: 0, size: 2 });
    expect(err).toBe(taken ? Status.devNotFound : Status.success);
  });
});
