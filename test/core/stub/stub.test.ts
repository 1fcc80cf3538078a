// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import type { Bdf } from '../../../core/bdf.ts';
import { Hooks } from '../../../core/hooks/index.ts';
import { RateLimit, silent } from '../../../core/log.ts';
import { Errno, HostError, type PciFunction, type Platform, type ResetOutcome } from '../../../core/platform/index.ts';
import { Status } from '../../../core/ring/layout.ts';
import { Request } from '../../../core/ring/request.ts';
import { PENDING } from '../../../core/space/behaviour.ts';
import { DenialRecord } from '../../../core/space/denials.ts';
import { Stub, type StubPolicy, type Tenant } from '../../../core/stub/index.ts';
import { strict } from '../../../plugins/interrupts/strict.ts';
import { FakeFunction } from '../../kit/fake-function.ts';
import { createManualClock } from '../../kit/manual-clock.ts';

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
      [MSIX, 2, 0x0011],
      [MSIX + 2, 2, 3],
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
let hooks: Hooks;
let policy: { -readonly [Key in keyof StubPolicy]: StubPolicy[Key] };

beforeEach(() => {
  trace = [];
  outcome = done;
  gone = false;
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
      release: () => {
        trace.push('give to host');
        return Promise.resolve();
      },
      bridgesAbove: () => Promise.resolve([]),
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
    interruptPolicy: () => strict,
    contributions: () => [],
  };
  hooks = new Hooks(() => {});
  stub = new Stub(platform, hooks, policy, silent);
});

const tenant = (domain: number): Tenant => ({
  domain,
  name: `guest ${domain}`,
  denials: new DenialRecord(domain, () => ({ owner: '', why: '' })),
  limit: new RateLimit(() => 0),
  refused: () => {},
  settled: () => {},
  warn: () => {},
});

const enableMsix = async (domain: number): Promise<void> => {
  const device = await stub.assign(address, tenant(domain));
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

  it('is done once for two callers', async () => {
    expect(await Promise.all([stub.seize(address), stub.seize(address)]).then(([a, b]) => a === b)).toBe(true);
    expect(trace.filter((line) => line === 'hold')).toHaveLength(1);
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
    const next = stub.assign(address, tenant(2));
    await returning;
    expect((await next).assignment?.tenant.domain).toBe(2);
  });
});

describe('a device that cannot be made clean (S-16)', () => {
  it('is quarantined after a failed reset, and no guest gets it', async () => {
    await enableMsix(1);
    outcome = failed;
    const [device] = stub.devices;
    if (device === undefined) throw new Error('not seized');
    await stub.giveBack(device);
    await expect(stub.assign(address, tenant(2))).rejects.toMatchObject({ code: 'DEVICE_QUARANTINED' });
  });

  it('is handed out when the operator says so', async () => {
    policy.onReset = { failed: 'allow', unsupported: 'allow' };
    outcome = failed;
    await stub.seize(address);
    expect((await stub.assign(address, tenant(2))).assignment?.tenant.domain).toBe(2);
  });

  it('is quarantined when a deviceReturned tap throws', async () => {
    hooks.point('deviceReturned').tap('test', {}, () => {
      throw new Error('not clean');
    });
    const device = await stub.assign(address, tenant(1));
    await stub.giveBack(device);
    expect(device.quarantine).toMatch(/not clean/);
  });
});

describe('release', () => {
  it('is refused while a guest has the device (D-S6)', async () => {
    await stub.assign(address, tenant(1));
    await expect(stub.release(address)).rejects.toMatchObject({ code: 'DEVICE_IN_USE' });
  });

  it('undoes the preparation and gives the device to the host', async () => {
    await stub.seize(address);
    trace.length = 0;
    await stub.release(address);
    expect(trace).toEqual(['unprepare', 'give to host']);
    expect(stub.devices).toEqual([]);
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
    const device = await stub.assign(address, { ...tenant(1), settled: (status) => settled.push(status) });
    nic.put(COMMAND, 2, 0x0007);
    const reset = nic.reset.bind(nic);
    nic.reset = () => {
      nic.put(0x10, 4, 0);
      nic.put(COMMAND, 2, 0);
      return reset();
    };
    expect(device.operations.resetFunction()).toBe(PENDING);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(settled).toEqual([Status.success]);
    expect(nic.get(0x10, 4)).toBe(0xfe000000);
    expect(nic.get(COMMAND, 2)).toBe(0x0003);
  });
});
