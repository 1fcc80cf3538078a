// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import type { Bdf } from '../../../core/bdf.ts';
import { Hooks } from '../../../core/hooks/index.ts';
import { silent } from '../../../core/log.ts';
import { Errno, HostError, type PciFunction, type Platform, type ResetOutcome } from '../../../core/platform/index.ts';
import { Status } from '../../../core/ring/layout.ts';
import { Request } from '../../../core/ring/request.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import { Stub, type StubPolicy } from '../../../core/stub/index.ts';
import { Wall } from '../../../core/wall/wall.ts';
import { deviceInterrupts } from '../../../plugins/interrupts/device/device-interrupts.ts';
import { strict } from '../../../plugins/interrupts/strict.ts';
import { FakeFunction } from '../../kit/fake-function.ts';
import { createManualClock } from '../../kit/manual-clock.ts';
import { tenantOf } from '../../kit/tenant.ts';

const COMMAND = 0x04;
const MSIX = 0x70;

/** A function with MSI-X (4 entries, table in BAR 0), that tells what the stub does to it. */
const nicWith = (trace: string[], reset: () => ResetOutcome): FakeFunction => {
  const nic = new FakeFunction({
    image: [
      [COMMAND, 2, 0x0003],
      [0x06, 2, 0x0010],
      [0x10, 4, 0xfe000000],
      [0x34, 1, MSIX],
      [MSIX, 4, 0x0003_0011],
      [MSIX + 4, 4, 0],
    ],
    resources: [{ start: 0xfe000000n, size: 0x4000n, flags: 0x200 }],
  });
  const write = nic.writeConfig.bind(nic);
  nic.writeConfig = (offset, size, value) => {
    const old = nic.get(offset, size);
    if (offset === COMMAND && (old & 4) !== 0 && (value & 4) === 0) trace.push('master off');
    if (offset === MSIX + 2 && (old & 0x8000) !== 0 && (value & 0x8000) === 0) trace.push('msix off');
    if (offset === 0x10) trace.push('restore BAR 0');
    write(offset, size, value);
  };
  nic.reset = () => {
    trace.push('reset');
    return Promise.resolve(reset());
  };
  return nic;
};

const done: ResetOutcome = { ok: true, method: 'flr' };
const failed: ResetOutcome = { ok: false, reason: 'failed', detail: 'timed out' };
let trace: string[];
let outcome: ResetOutcome;
let nic: FakeFunction;
let stub: Stub;
let address: Bdf;
let gone: boolean;
let watched: Bdf[];
let hooks: Hooks;
let policy: { -readonly [Key in keyof StubPolicy]: StubPolicy[Key] };

beforeEach(() => {
  trace = [];
  outcome = done;
  gone = false;
  watched = [];
  nic = nicWith(trace, () => outcome);
  address = nic.identity.bdf;
  let next = 50;
  const platform = {
    clock: createManualClock(),
    pci: {
      seize: (): Promise<PciFunction> => {
        trace.push('hold');
        return Promise.resolve(nic);
      },
      release: async () => void trace.push('give to host'),
      bridgesAbove: () => Promise.resolve([]),
    },
    errors: {
      subscribe: () => () => {},
      watch: (one: Bdf) => {
        watched.push(one);
        return () => void watched.splice(watched.indexOf(one), 1);
      },
    },
    interrupts: {
      prepareMsix: () => void trace.push('prepare'),
      releaseMsix: () => void trace.push('unprepare'),
      mapMsix: () => {
        trace.push(`map ${next}`);
        return next++;
      },
      mapMsi: () => 1,
      unmap: (_: number, pirq: number) => {
        trace.push(`unmap ${pirq}`);
        if (gone) throw new HostError('unmap', Errno.EINVAL);
      },
      linePirq: () => 17,
    },
  } as unknown as Platform;
  policy = {
    onReset: { failed: 'quarantine', unsupported: 'allow' },
    permissive: () => false,
    allowInterruptControl: () => false,
    interruptPolicy: () => 'strict',
    interruptPolicyNamed: () => ({ name: 'strict', plugin: 'interrupts/strict', thing: strict }),
    interruptDriver: () => ({ name: 'device', plugin: 'test', thing: deviceInterrupts }),
    contributions: () => [],
    interruptLimits: () => ({}),
  };
  hooks = new Hooks(new Wall(silent));
  stub = new Stub(platform, hooks, policy, silent);
});

const enableMsix = async (domain: number): Promise<void> => {
  const device = await stub.assign(address, tenantOf(domain));
  const request = new Request();
  request.value = 1;
  request.sealed();
  expect(device.assignment?.interrupts.enableMsix(request)).toBe(Status.success);
};

describe('seizing (seed cd9db80e52)', () => {
  it('holds, prepares MSI-X while the host owns the device, resets, switches off', async () => {
    await stub.seize(address);
    expect(trace).toEqual(['hold', 'prepare', 'reset']);
    expect(nic.get(COMMAND, 2) & 4).toBe(0);
  });

  it('never prepares MSI-X without the capability', async () => {
    nic.put(MSIX, 1, 0x09);
    await stub.seize(address);
    expect(trace).toEqual(['hold', 'reset']);
  });

  it('gives the device back to the host when it fails half way', async () => {
    const broken = new Stub(
      {
        pci: {
          seize: () => Promise.resolve(nic),
          bridgesAbove: () => Promise.reject(new Error('no topology')),
          release: () => {
            trace.push('give to host');
            return Promise.resolve();
          },
        },
      } as unknown as Platform,
      hooks,
      policy,
      silent,
    );
    await expect(broken.seize(address)).rejects.toThrow('no topology');
    expect(trace).toEqual(['give to host']);
  });

  it('takes the preparation back when it fails after it', async () => {
    hooks.point('deviceSeized').tap('test', {}, () => {
      throw new Error('not this one');
    });
    await expect(stub.seize(address)).rejects.toThrow();
    expect(trace).toEqual(['hold', 'prepare', 'reset', 'unprepare', 'give to host']);
    expect(stub.devices).toEqual([]);
  });

  it('is done once for two callers', async () => {
    expect(await Promise.all([stub.seize(address), stub.seize(address)]).then(([a, b]) => a === b)).toBe(true);
    expect(trace.filter((line) => line === 'hold')).toHaveLength(1);
  });
});

describe('the device lock (seed e8801a7418)', () => {
  /** Counts how often the lock is taken; taking it while it is held would wait for ever. */
  const counted = async (work: () => Promise<unknown>): Promise<number> => {
    const device = await stub.seize(address);
    const run = device.lock.run.bind(device.lock);
    let taken = 0;
    device.lock.run = (task) => {
      taken++;
      return run(task);
    };
    await work();
    return taken;
  };
  const back = async (): Promise<void> => {
    const [device] = stub.devices;
    if (device !== undefined) await stub.giveBack(device);
  };

  it('is taken once for a device that is unbound unused', async () => {
    expect(await counted(() => stub.release(address))).toBe(1);
  });

  it('is taken once for the unbinding of a used one, which is refused', async () => {
    await enableMsix(1);
    expect(await counted(() => expect(stub.release(address)).rejects.toMatchObject({ code: 'DEVICE_IN_USE' }))).toBe(1);
  });

  it('is taken once for a device that comes back, by hot unplug or because its guest died', async () => {
    await enableMsix(1);
    expect(await counted(back)).toBe(1);
    await enableMsix(2);
    gone = true;
    expect(await counted(back)).toBe(1);
    expect(await counted(back)).toBe(1);
  });

  it('makes unbind, return and the next guest wait for each other, and none for itself', async () => {
    await enableMsix(1);
    const results = await Promise.allSettled([
      back(),
      stub.release(address),
      back(),
      stub.assign(address, tenantOf(2)),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled']);
    expect(stub.devices[0]?.assignment?.tenant.domain).toBe(2);
  });
});

describe('taking a device back (S-7)', () => {
  const order = ['master off', 'msix off', 'unmap 50', 'reset', 'restore BAR 0'];
  const use = async (): Promise<void> => {
    await enableMsix(1);
    nic.put(COMMAND, 2, 0x0407);
    nic.put(0x10, 4, 0xdead0000);
    trace.length = 0;
  };
  const back = async (): Promise<void> => {
    const [device] = stub.devices;
    if (device === undefined) throw new Error('not seized');
    await stub.giveBack(device);
  };

  it('goes in the order that leaves the guest nothing', async () => {
    await use();
    await back();
    expect(trace).toEqual(order);
    expect(nic.get(0x10, 4)).toBe(0xfe000000);
    // Decode stays on, bus mastering is off (XSA-120).
    expect(nic.get(COMMAND, 2)).toBe(0x0003);
  });

  it('goes the same way when the guest is dead and unmapping fails (XSA-360)', async () => {
    await use();
    gone = true;
    await back();
    expect(trace).toEqual(order);
    expect(stub.devices[0]?.assignment).toBeUndefined();
  });

  it('a device that does not answer is quarantined, its PIRQs are unmapped all the same (XSA-360)', async () => {
    await use();
    const [device] = stub.devices;
    nic.readConfig = () => {
      throw new HostError('config read', Errno.EIO);
    };
    await back();
    expect(trace).toEqual(['unmap 50']);
    expect(device?.quarantine).toContain('EIO');
    expect(device?.assignment).toBeUndefined();
  });

  it('its errors are looked for as long as a guest has it, no longer', async () => {
    await stub.seize(address);
    expect(watched).toEqual([]);
    await use();
    expect(watched).toEqual([address]);
    await back();
    expect(watched).toEqual([]);
  });

  it('twice is once', async () => {
    await use();
    await back();
    await back();
    expect(trace).toEqual(order);
  });

  it('is waited for by the next guest', async () => {
    await use();
    const [device] = stub.devices;
    if (device === undefined) throw new Error('not seized');
    const returning = stub.giveBack(device);
    const next = stub.assign(address, tenantOf(2));
    await returning;
    expect((await next).assignment?.tenant.domain).toBe(2);
  });
});

describe('a device that cannot be made clean (S-16)', () => {
  it('is quarantined after a failed reset, and no guest gets it before it was released and seized again', async () => {
    await enableMsix(1);
    outcome = failed;
    const [device] = stub.devices;
    if (device === undefined) throw new Error('not seized');
    await stub.giveBack(device);
    await expect(stub.assign(address, tenantOf(2))).rejects.toMatchObject({ code: 'DEVICE_QUARANTINED' });
    outcome = { ok: true, method: 'flr' };
    await stub.release(address);
    expect((await stub.assign(address, tenantOf(2))).assignment?.tenant.domain).toBe(2);
  });

  it('is handed out when the operator says so', async () => {
    policy.onReset = { failed: 'allow', unsupported: 'allow' };
    outcome = failed;
    await stub.seize(address);
    expect((await stub.assign(address, tenantOf(2))).assignment?.tenant.domain).toBe(2);
  });

  it('is quarantined after a defect of the program, too', async () => {
    const device = await stub.assign(address, tenantOf(1));
    nic.reset = () => Promise.reject(new TypeError('a defect'));
    expect(await stub.giveBack(device)).toBe(0);
    expect(device.quarantine).toContain('a defect');
  });

  it('is quarantined when a deviceReturned tap throws', async () => {
    hooks.point('deviceReturned').tap('test', {}, () => {
      throw new Error('not clean');
    });
    const device = await stub.assign(address, tenantOf(1));
    await stub.giveBack(device);
    expect(device.quarantine).toMatch(/not clean/);
  });
});

describe('release', () => {
  it('is refused while a guest has the device (D-S6)', async () => {
    await stub.assign(address, tenantOf(1));
    await expect(stub.release(address)).rejects.toMatchObject({ code: 'DEVICE_IN_USE' });
  });

  it('undoes the preparation and gives the device to the host', async () => {
    await stub.seize(address);
    trace.length = 0;
    await stub.release(address);
    expect(trace).toEqual(['reset', 'unprepare', 'give to host']);
    expect(stub.devices).toEqual([]);
  });

  it('resets and restores first: the host’s driver finds the device as it was (seed cd9db80e52)', async () => {
    await stub.seize(address);
    nic.put(0x10, 4, 0xdead0000);
    trace.length = 0;
    await stub.release(address);
    expect(trace).toEqual(['reset', 'restore BAR 0', 'unprepare', 'give to host']);
    expect(nic.get(0x10, 4)).toBe(0xfe000000);
  });

  it('twice at the same time is once, and an assignment that waited for it gets the device anew', async () => {
    await stub.seize(address);
    trace.length = 0;
    const results = await Promise.allSettled([
      stub.release(address),
      stub.release(address),
      stub.assign(address, tenantOf(3)),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(trace.filter((line) => line === 'give to host' || line === 'hold')).toEqual(['give to host', 'hold']);
    expect(stub.devices[0]?.assignment?.tenant.domain).toBe(3);
  });

  it('names a device that is not seized', async () => {
    await expect(stub.release(address)).rejects.toMatchObject({ code: 'DEVICE_NOT_SEIZED' });
  });
});

describe('reset hook', () => {
  it('replaces the host’s own methods', async () => {
    hooks.point('resetDevice').tap('vendor', {}, () => {
      trace.push('vendor reset');
      return { ok: true, method: 'vendor' } as const;
    });
    await stub.seize(address);
    expect(trace).toEqual(['hold', 'prepare', 'vendor reset']);
  });
});

describe('a function-level reset that the guest asks for', () => {
  it('leaves BARs and decode as the guest sees them, and bus mastering off', async () => {
    const settled: number[] = [];
    const device = await stub.assign(address, { ...tenantOf(1), settled: (status) => settled.push(status) });
    nic.put(COMMAND, 2, 0x0007);
    const reset = nic.reset.bind(nic);
    nic.reset = () => {
      nic.put(0x10, 4, 0);
      nic.put(COMMAND, 2, 0);
      return reset();
    };
    expect(device.operations.resetFunction()).toBe(Outcome.later);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(settled).toEqual([Status.success]);
    expect(nic.get(0x10, 4)).toBe(0xfe000000);
    expect(nic.get(COMMAND, 2)).toBe(0x0003);
  });
});
