// SPDX-License-Identifier: MIT

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { Command, Status } from '../../../core/ring/layout.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { createManualClock, type ManualClock } from '../../kit/manual-clock.ts';
import { type PlainFront, plainFront } from '../../kit/plain-front.ts';
import { until } from '../../kit/until.ts';

const nic = sample('e1000e').bdf;
const disk = sample('nvme').bdf;
const port = sample('root-port').bdf;
/** Power management control of the e1000e sample. */
const PMCSR = 0xcc;

let clock: ManualClock;
let host: EmbeddedHost;
/** What the taps of the test saw, in order. */
let trace: string[];
/** Runs while a device is being given to a guest. */
let whileAssigned: (bdf: Bdf) => Promise<void>;

beforeEach(async () => {
  clock = createManualClock();
  trace = [];
  whileAssigned = async () => {};
  const recorder = definePlugin({
    name: 'test/recorder',
    api: '^1.0',
    apply: ({ hooks }) => {
      const slow = async (step: string, work: () => Promise<void>): Promise<void> => {
        trace.push(`${step} begins`);
        for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
        await work();
        trace.push(`${step} ends`);
      };
      hooks.deviceAssigned.tap({}, (device) => slow('give', () => whileAssigned(device.bdf)));
      hooks.deviceReturned.tap({}, () => slow('take', async () => {}));
      hooks.guestConnected.tap({}, () => void trace.push('attach'));
      hooks.guestDisconnected.tap({}, () => void trace.push('disconnect'));
    },
  });
  host = await startEmbeddedHost({ clock, config: { shutdownSeconds: 0 }, plugins: [recorder] });
  for (const bdf of [nic, disk, port]) await host.pciback.stub.seize(bdf);
});
afterEach(async () => {
  const closed = host.close();
  for (let turns = 0; turns < 200; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(20);
  }
  await closed;
  expect(host.platform.hypervisor.ledger()).toMatchObject({ mapped: [], bound: [], illegal: [] });
});

const read = (path: string) => host.platform.xenstore.read(path);
const write = (path: string, value: string) => host.platform.xenstore.write(path, value);
const backOf = (domain: number) => `/local/domain/0/backend/pci/${domain}/0`;
const reaches = (directory: string, state: string) =>
  until(`${directory} in state ${state}`, async () => (await read(`${directory}/state`)) === state);
const isFree = (bdf: Bdf) => host.pciback.stub.devices.some((one) => one.bdf === bdf && one.assignment === undefined);

const domainWith = (...devices: Bdf[]) => host.platform.toolstack.create({ devices });
const connected = async (...devices: Bdf[]): Promise<PlainFront & { readonly domain: number }> => {
  const domain = await domainWith(...devices);
  const front = await plainFront(host.platform, domain);
  await reaches(front.back, '4');
  await write(`${front.front}/state`, '4');
  return { domain, ...front };
};
const powerDown = (ring: PlainFront['ring']) =>
  ring.request({ cmd: Command.confWrite, offset: PMCSR, size: 2, value: 3 });

describe('one guest’s failures stay its own', () => {
  it('D-X1: a device that cannot be exported is marked and reported, the others go on, and the state comes to Reconfigured', async () => {
    const { domain, back, front } = await connected(nic);
    await host.platform.xenstore.transaction(async (view) => {
      await view.write(`${back}/dev-1`, 'garbage');
      await view.write(`${back}/state-1`, '1');
      await view.write(`${back}/dev-2`, formatBdf(disk));
      await view.write(`${back}/state-2`, '1');
      await view.write(`${back}/num_devs`, '3');
      await view.write(`${back}/state`, '7');
    });
    await write(`${front}/state`, '7');
    await reaches(back, '8');
    expect(await read(`${back}/state-1`)).toBe('6');
    expect(await read(`${back}/state-2`)).toBe('3');
    expect(await read(`/local/domain/0/error/backend/pci/${domain}/0/error`)).toContain('dev-1');
    await write(`${front}/state`, '4');
    await reaches(back, '4');
  });

  it('D-X2: a device that is gone already is no error the second time', async () => {
    const { back, front } = await connected(nic, disk);
    for (const round of ['first', 'second']) {
      await write(`${back}/state-0`, '5');
      await write(`${back}/state`, '7');
      await write(`${front}/state`, '7');
      await reaches(back, '8');
      await write(`${front}/state`, '4');
      await reaches(back, '4');
      expect([round, isFree(nic), await read(`${back}/state-0`)]).toEqual([round, true, '5']);
    }
  });

  it('D-X4: a device that finds no slot is nobody’s afterwards', async () => {
    const domain = await domainWith(port, nic);
    await reaches(backOf(domain), '3');
    expect(isFree(port)).toBe(true);
    expect(await read(`${backOf(domain)}/state-0`)).toBe('6');
    await host.pciback.stub.release(port);
  });

  it('D-X5: what cannot be announced is not exported, and no address of it stays', async () => {
    const { back, front } = await connected(nic);
    await host.platform.xenstore.transaction(async (view) => {
      await view.write(`${back}/root_num`, 'garbage');
      await view.write(`${back}/dev-1`, formatBdf(disk));
      await view.write(`${back}/state-1`, '1');
      await view.write(`${back}/num_devs`, '2');
      await view.write(`${back}/state`, '7');
    });
    await write(`${front}/state`, '7');
    await reaches(back, '8');
    expect(await read(`${back}/vdev-1`)).toBeUndefined();
    expect(isFree(disk)).toBe(true);
  });

  it('D-X6: a port that cannot be bound leaves no page mapped', async () => {
    const domain = await domainWith(nic);
    await reaches(backOf(domain), '3');
    const kernel = host.platform.hypervisor.domain(domain);
    const front = `/local/domain/${domain}/device/pci/0`;
    await write(`${front}/pci-op-ref`, String(kernel.grantAccess(0, kernel.allocatePage())));
    await write(`${front}/event-channel`, '4000');
    await write(`${front}/magic`, '7');
    await write(`${front}/state`, '3');
    await reaches(backOf(domain), '5');
    expect(host.platform.hypervisor.ledger().mapped).toEqual([]);
    expect(host.platform.hypervisor.trace.some((line) => line.startsWith('grant unmap'))).toBe(true);
  });

  it('D-X7: a guest that is gone before it is served leaves nothing, no watch either', async () => {
    const before = host.platform.store.watches();
    const domain = await domainWith(nic);
    await host.platform.xenstore.remove(backOf(domain));
    await until('nothing left', () => host.pciback.guests().length === 0 && host.platform.store.watches() === before);
    expect(isFree(nic)).toBe(true);
  });

  it('D-X8: a guest whose request takes its time holds nobody else up', async () => {
    const slow = await connected(nic);
    void powerDown(slow.ring).catch(() => {});
    await until('waiting', () => clock.pending() > 1);
    await write(`${slow.front}/state`, '5');
    const other = await connected(disk);
    expect((await other.ring.request({ cmd: Command.confRead, offset: 0, size: 2 })).value).toBe(sample('nvme').vendor);
    expect(await read(`${slow.back}/state`)).toBe('4');
  });
});

describe('the toolstack’s ways', () => {
  it('D-X10: indices that move while nobody looks hit no other device', async () => {
    const { back, front } = await connected(nic, disk);
    // The entry of the network card goes, that of the disk moves down; its old address stays behind at index 1.
    for (const key of ['dev', 'vdev', 'state']) {
      await write(`${back}/${key}-0`, (await read(`${back}/${key}-1`)) ?? '');
    }
    await write(`${back}/dev-1`, formatBdf(nic));
    await write(`${back}/state-1`, '5');
    await write(`${back}/state`, '7');
    await write(`${front}/state`, '7');
    await reaches(back, '8');
    expect(isFree(disk)).toBe(false);
  });

  it('D-X11: online that cannot be read counts as offline', async () => {
    const { back, front } = await connected(nic);
    await host.platform.xenstore.remove(`${back}/online`);
    await write(`${front}/state`, '6');
    await until('let go', () => host.pciback.guests().length === 0 && isFree(nic));
  });

  it('D-X12: a front end that comes back is set up anew, with its new page and port', async () => {
    const first = await connected(nic);
    await write(`${first.front}/state`, '6');
    await reaches(first.back, '6');
    await write(`${first.front}/state`, '1');
    await reaches(first.back, '3');
    const second = await plainFront(host.platform, first.domain);
    await reaches(second.back, '4');
    expect((await second.ring.request({ cmd: Command.confRead, offset: 0, size: 2 })).err).toBe(Status.success);
    expect(host.platform.hypervisor.ledger().mapped).toMatchObject([{ reference: second.reference }]);
  });

  it('a front end that comes back faster than anybody looks is set up anew as well', async () => {
    const { back, front, domain } = await connected(nic);
    await write(`${front}/state`, '6');
    await write(`${front}/state`, '1');
    await reaches(back, '3');
    expect(host.platform.hypervisor.ledger().mapped).toEqual([]);
    await plainFront(host.platform, domain);
    await reaches(back, '4');
  });

  it('a directory that went and came again between two looks is served as a new one', async () => {
    const { back, front } = await connected(nic);
    const keys = ['frontend', 'frontend-id', 'online', 'num_devs', 'dev-0', 'state-0'];
    await host.platform.xenstore.transaction(async (view) => {
      const values = await Promise.all(keys.map((key) => view.read(`${back}/${key}`)));
      await view.remove(back);
      for (const [index, key] of keys.entries()) await view.write(`${back}/${key}`, values[index] ?? '');
      await view.write(`${back}/state`, '1');
      await view.write(`${front}/state`, '1');
    });
    await reaches(back, '3');
    expect(host.platform.hypervisor.ledger().mapped).toEqual([]);
    expect(host.pciback.guests()).toHaveLength(1);
  });

  it('a directory that goes while its device is exported is not made anew', async () => {
    whileAssigned = () => host.platform.xenstore.remove('/local/domain/0/backend/pci');
    const domain = await domainWith(nic);
    await until('let go', () => trace.includes('take ends') && host.pciback.guests().length === 0);
    expect(await read(`${backOf(domain)}/num_devs`)).toBeUndefined();
    expect(host.platform.store.dump('/local/domain/0/backend')).toHaveLength(1);
  });

  it('a state that the toolstack writes during a step is not overwritten: the hot plug is done', async () => {
    const domain = await domainWith(nic);
    await reaches(backOf(domain), '3');
    const { xenstore } = host.platform;
    const transaction = xenstore.transaction.bind(xenstore);
    xenstore.transaction = async (work) => {
      xenstore.transaction = transaction;
      await write(`${backOf(domain)}/state`, '7');
      return transaction(work);
    };
    const kernel = host.platform.hypervisor.domain(domain);
    const channel = kernel.ports.allocUnbound(0, () => {});
    const front = `/local/domain/${domain}/device/pci/0`;
    await write(`${front}/pci-op-ref`, String(kernel.grantAccess(0, kernel.allocatePage())));
    await write(`${front}/event-channel`, String(channel.port));
    await write(`${front}/magic`, '7');
    await write(`${front}/state`, '3');
    await until('attached', () => trace.includes('attach'));
    expect(await read(`${backOf(domain)}/state`)).toBe('7');
  });

  it('devices are set up whatever the front end says meanwhile', async () => {
    const domain = await domainWith(nic);
    await write(`/local/domain/${domain}/device/pci/0/state`, '7');
    await reaches(backOf(domain), '3');
  });
});

describe('a disconnect while a slow request runs (seed 429eafe609)', () => {
  it('unmaps only when it has ended, however the front end closes; other guests are served meanwhile', async () => {
    const slow = await connected(nic);
    const other = await connected(disk);
    const pages = () => host.platform.hypervisor.ledger().mapped.map((one) => one.domain);
    void powerDown(slow.ring).catch(() => {});
    await until('waiting', () => clock.pending() > 1);
    await write(`${slow.front}/state`, '6');
    expect((await other.ring.request({ cmd: Command.confRead, offset: 0, size: 2 })).err).toBe(Status.success);
    expect(pages()).toEqual([slow.domain, other.domain]);
    clock.advance(10);
    await reaches(slow.back, '6');
    expect(pages()).toEqual([other.domain]);
  });
});

describe('a flood of changes (XSA-349)', () => {
  it('costs two more looks, however many there are while a step runs', async () => {
    const { domain, back, front } = await connected(nic);
    let looks = 0;
    const { xenstore } = host.platform;
    const original = xenstore.read.bind(xenstore);
    xenstore.read = (path) => {
      if (path === `${front}/state`) looks++;
      return original(path);
    };
    let flooded = false;
    whileAssigned = async () => {
      for (let round = 0; round < 50; round++) {
        for (let i = 0; i < 200; i++) await write(`${front}/state`, String(i % 2 === 0 ? 7 : 4));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await write(`${front}/state`, '7');
      looks = 0;
      flooded = true;
    };
    await xenstore.transaction(async (view) => {
      await view.write(`${back}/dev-1`, formatBdf(disk));
      await view.write(`${back}/state-1`, '1');
      await view.write(`${back}/num_devs`, '2');
      await view.write(`${back}/state`, '7');
    });
    await write(`${front}/state`, '7');
    await reaches(back, '8');
    expect(flooded).toBe(true);
    for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
    // One that was asked for during the step, and one for the events of its own writes.
    expect(looks).toBeLessThanOrEqual(3);
    expect(host.pciback.guests().map((guest) => guest.domain)).toEqual([domain]);
    xenstore.read = original;
  });
});

describe('a page that changes under the request (seed 8135cf8b09)', () => {
  const script = [
    { cmd: Command.confWrite, offset: 0x04, size: 2, value: 0x0006 },
    { cmd: Command.confRead, offset: 0x04, size: 4 },
    { cmd: Command.confWrite, offset: 0x10, size: 4, value: 0xffffffff },
    { cmd: Command.confRead, offset: 0x10, size: 4 },
    { cmd: Command.enableMsix, value: 3, entries: [0, 1, 2] },
    { cmd: Command.disableMsix },
    { cmd: Command.enableMsi },
    { cmd: Command.disableMsi },
    { cmd: Command.confRead, offset: 0x00, size: 3 },
  ];

  it('at any step of the work after the copy leaves every answer and the device as they are', async () => {
    const outcomes: unknown[] = [];
    for (const step of [0, 1, 2, 3, 4, 5]) {
      const guest = await connected(nic);
      const model = host.platform.pci.model(nic);
      const words = new Int32Array(guest.ring.page);
      let accesses = 0;
      const spoil = (): void => {
        // All of the request and its entries; not the flags, by which the guest gives up.
        if (step > 0 && ++accesses % step === 0) words.fill(0x7fffff00 + accesses, 1, 138);
      };
      const own = { readConfig: model.readConfig.bind(model), writeConfig: model.writeConfig.bind(model) };
      model.readConfig = (offset, size) => {
        spoil();
        return own.readConfig(offset, size);
      };
      model.writeConfig = (offset, size, value) => {
        spoil();
        own.writeConfig(offset, size, value);
      };
      const answers: unknown[] = [];
      for (const request of script) {
        const { err, value, vectors } = await guest.ring.request(request);
        answers.push([err, value, err === Status.success ? vectors : []]);
      }
      Object.assign(model, own);
      outcomes.push({ answers, config: [...model.snapshot()] });
      await write(`${guest.front}/state`, '6');
      await reaches(guest.back, '6');
      await host.platform.toolstack.destroy(guest.domain);
      await until('free', () => isFree(nic));
    }
    for (const outcome of outcomes) expect(outcome).toEqual(outcomes[0]);
  });
});

describe('state work of one guest (seed b1766b6289)', () => {
  it('never interleaves, whichever end the events come from', async () => {
    const { back, front, domain } = await connected(nic, disk);
    for (let round = 0; round < 20; round++) {
      await write(`${back}/state-${round % 2}`, round % 4 < 2 ? '5' : '1');
      await write(`${back}/state`, '7');
      await write(`${front}/state`, String([7, 4, 5, 6, 1, 3][round % 6]));
      for (let turns = round % 5; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    }
    await host.platform.xenstore.remove(back);
    await until('let go', () => host.pciback.guests().every((guest) => guest.domain !== domain));
    const open: string[] = [];
    for (const line of trace) {
      const [step, edge] = line.split(' ');
      if (edge === 'ends') expect(open.pop()).toBe(step);
      else expect(`${open.join()}, then ${line}`).toBe(`, then ${line}`);
      if (edge === 'begins') open.push(step ?? '');
    }
    expect(trace.filter((line) => line === 'take begins').length).toBeGreaterThan(2);
  });
});
