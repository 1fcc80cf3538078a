// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import { isPcibackError } from '../../../core/errors/index.ts';
import { Hooks } from '../../../core/hooks/index.ts';
import type { DeviceInterrupts } from '../../../core/interrupts.ts';
import { silent } from '../../../core/log.ts';
import { Errno, HostError, type Platform } from '../../../core/platform/index.ts';
import { Status } from '../../../core/ring/layout.ts';
import { Request } from '../../../core/ring/request.ts';
import { Stub, type StubPolicy } from '../../../core/stub/index.ts';
import { makeInterrupts } from '../../../core/stub/interrupt-driver.ts';
import { Wall } from '../../../core/wall/wall.ts';
import { deviceInterrupts } from '../../../plugins/interrupts/device/device-interrupts.ts';
import { strict } from '../../../plugins/interrupts/strict.ts';
import { FakeFunction } from '../../kit/fake-function.ts';
import { interruptTerms } from '../../kit/interrupt-terms.ts';
import { createManualClock } from '../../kit/manual-clock.ts';
import { tenantOf } from '../../kit/tenant.ts';

const COMMAND = 0x04;
const INTX_DISABLE = 0x0400;
const chosen = { name: 'mine', plugin: 'acme', thing: strict };
const boom = (): never => {
  throw new Error('boom');
};

/** A driver as bundled, but for some of its answers. */
const changed = (changes: Readonly<Record<string, unknown>>) => {
  const terms = interruptTerms(strict);
  const thing = (given: typeof terms) =>
    new Proxy(deviceInterrupts(given), {
      get: (target, name) => {
        if (Object.hasOwn(changes, name)) return changes[name as string];
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    }) as DeviceInterrupts;
  return { terms, driver: { name: 'device', plugin: 'acme', thing } };
};
const made = (changes: Readonly<Record<string, unknown>>) => {
  const { terms, driver } = changed(changes);
  return { terms, it: makeInterrupts(driver, terms), faults: () => terms.wall.usage('acme').faults };
};
const codeOf = (work: () => unknown): string | undefined => {
  try {
    work();
    return undefined;
  } catch (error) {
    return isPcibackError(error) ? error.code : String(error);
  }
};

describe('a driver whose code fails', () => {
  it.each(['enableMsi', 'disableMsi', 'enableMsix', 'disableMsix'] as const)('in %s: op_failed', (name) => {
    const { it: one, faults } = made({ [name]: boom });
    expect([one[name](new Request()), faults()]).toEqual([Status.opFailed, 1]);
  });

  it('has an answer that changes nothing in the device', () => {
    const { it: one, faults } = made({
      allowsControlWord: boom,
      decidesIntx: () => 'perhaps',
      line: 7,
    });
    expect(one.allowsControlWord('msi', 0, 1)).toBe(false);
    expect(one.decidesIntx('enabled', 'disabled')).toBe('refused');
    expect(one.line).toBeUndefined();
    expect(faults()).toBe(3);
  });

  it('is asked nothing about words that it says something odd of', () => {
    const { it: one, faults } = made({ refusesControlWords: 'no', keepsIntxVirtual: undefined });
    expect([one.refusesControlWords, one.keepsIntxVirtual, faults()]).toEqual([true, true, 2]);
  });

  it('says so to whoever has to know', () => {
    const names = ['restore', 'teardown', 'differsFrom', 'prepare', 'prepareLine', 'releaseLine', 'toggleLine'];
    const { it: one } = made(Object.fromEntries(names.map((name) => [name, boom])));
    expect(codeOf(() => one.restore())).toBe('PLUGIN_FAULT');
    expect(codeOf(() => one.teardown())).toBe('PLUGIN_FAULT');
    expect(codeOf(() => one.differsFrom(chosen))).toBe('PLUGIN_FAULT');
    expect(codeOf(() => one.prepare(chosen))).toBe('PLUGIN_FAULT');
    expect(codeOf(() => one.prepareLine())).toBe('PLUGIN_FAULT');
    expect(codeOf(() => one.releaseLine())).toBe('PLUGIN_FAULT');
    expect(codeOf(() => one.toggleLine())).toBe('PLUGIN_FAULT');
  });

  it('is no fault where it is the host that fails', () => {
    const error = new HostError('write', Errno.EIO);
    const { it: one, faults } = made({
      restore: () => {
        throw error;
      },
    });
    expect(() => one.restore()).toThrow(error);
    expect(faults()).toBe(0);
  });

  it('cannot keep a policy from being put in force', () => {
    const { it: one, faults } = made({ prepare: () => boom });
    one.prepare(chosen)();
    expect(faults()).toBe(1);
  });

  it('that makes nothing, or half of it, keeps the device from the guest', () => {
    const { terms } = changed({});
    for (const thing of [boom, () => undefined as never, () => ({ enableMsi: () => 0 }) as never]) {
      expect(codeOf(() => makeInterrupts({ name: 'device', plugin: 'acme', thing }, terms))).toBe('PLUGIN_FAULT');
    }
  });
});

it('a driver is told of the device only when it was switched on or off', () => {
  let told = 0;
  const { it: one, terms, faults } = made({ follow: () => void told++ });
  one.follow();
  expect(told).toBe(0);
  terms.operations.enabled = true;
  one.follow();
  one.follow();
  expect(told).toBe(1);
  terms.operations.enabled = false;
  one.follow();
  expect([told, faults()]).toEqual([2, 0]);
  const failing = made({ follow: boom });
  failing.terms.operations.enabled = true;
  failing.it.follow();
  expect(failing.faults()).toBe(1);
});

describe('without a driver', () => {
  const without = (settings: ConstructorParameters<typeof FakeFunction>[0] = { line: 19 }, sharedLines = 'refuse') => {
    const hardware = new FakeFunction(settings);
    const terms = { ...interruptTerms(strict, { hardware }), sharedLines: sharedLines as 'refuse' | 'allow' };
    const one = makeInterrupts(undefined, terms);
    terms.operations.serve({ limits: {}, interrupts: one } as never);
    return { one, hardware, disabled: () => (hardware.get(COMMAND, 2) & INTX_DISABLE) !== 0 };
  };

  it('no request is carried out, no word changes', () => {
    const { one } = without();
    const request = new Request();
    expect([one.enableMsi(request), one.disableMsi(request)]).toEqual([Status.notImplemented, Status.notImplemented]);
    expect([one.enableMsix(request), one.disableMsix(request)]).toEqual([Status.notImplemented, Status.notImplemented]);
    expect([one.refusesControlWords, one.allowsControlWord('msi', 0, 1)]).toEqual([true, false]);
    expect([one.keepsIntxVirtual, one.decidesIntx('enabled', 'disabled')]).toEqual([true, 'virtual']);
    expect([one.teardown(), one.line]).toEqual([0, undefined]);
    expect(codeOf(() => one.toggleLine())).toBe('LINE_HANDLER');
    expect(one.differsFrom(chosen)).toBe(false);
  });

  it('a device is kept from its line: nobody would claim what the host hears', () => {
    const { one, disabled } = without();
    one.prepareLine();
    expect(disabled()).toBe(true);
  });

  it('one that cannot be kept from it goes to no guest', () => {
    const { one } = without({ line: 19, readOnly: [[COMMAND, 2, INTX_DISABLE]] });
    expect(codeOf(() => one.prepareLine())).toBe('LINE_SHARED');
  });

  it('one without a line is left alone, as is any where the operator allows it', () => {
    for (const { one, disabled } of [without({ line: 0 }), without({ line: 19 }, 'allow')]) {
      one.prepareLine();
      expect(disabled()).toBe(false);
    }
  });
});

describe('a driver that fails under a device', () => {
  let nic: FakeFunction;
  let resets: number;
  const tenant = tenantOf(1);
  const given = async (changes: Readonly<Record<string, unknown>>) => {
    const { terms, driver } = changed(changes);
    const platform = {
      ...terms.platform,
      clock: createManualClock(),
      pci: { seize: async () => nic, release: async () => {}, bridgesAbove: async () => [] },
    } as unknown as Platform;
    const policy: StubPolicy = {
      onReset: { failed: 'quarantine', unsupported: 'allow' },
      permissive: () => false,
      allowInterruptControl: () => false,
      interruptPolicy: () => 'mine',
      interruptPolicyNamed: () => chosen,
      interruptDriver: () => driver,
      contributions: () => [],
      interruptLimits: () => ({}),
    };
    const stub = new Stub(platform, new Hooks(new Wall(silent)), policy, silent);
    const device = await stub.assign(nic.identity.bdf, tenant);
    const { assignment } = device;
    if (assignment === undefined) throw new Error('not assigned');
    nic.put(COMMAND, 2, 0x0007);
    nic.put(0x10, 4, 0xdead0000);
    return { stub, device, assignment };
  };
  beforeEach(() => {
    resets = 0;
    nic = new FakeFunction({
      image: [
        [COMMAND, 2, 0x0003],
        [0x10, 4, 0xfe000000],
      ],
    });
    nic.reset = () => {
      resets++;
      return Promise.resolve({ ok: true, method: 'flr' });
    };
  });

  it.each(['teardown', 'releaseLine'])(
    'in %s: it is made clean all the same, and goes to no other guest',
    async (name) => {
      const { stub, device } = await given({ [name]: boom });
      expect(await stub.giveBack(device)).toBe(0);
      expect([resets, nic.get(0x10, 4), nic.get(COMMAND, 2)]).toEqual([2, 0xfe000000, 0x0003]);
      expect(device.assignment).toBeUndefined();
      expect(device.quarantine).toContain('boom');
      await expect(stub.assign(nic.identity.bdf, tenant)).rejects.toMatchObject({ code: 'DEVICE_QUARANTINED' });
    },
  );

  it('in prepareLine: the guest does not get it, and the next one may', async () => {
    const { stub, device } = await given({});
    await stub.giveBack(device);
    expect(device.quarantine).toBeUndefined();
    await expect(given({ prepareLine: boom })).rejects.toMatchObject({ code: 'PLUGIN_FAULT' });
  });

  it('in teardown: a fence holds all the same', async () => {
    const { stub, device, assignment } = await given({ teardown: boom });
    expect(stub.fence(device, assignment, 'no ring')).toEqual([expect.stringContaining('boom')]);
    expect(nic.get(COMMAND, 2)).toBe(0x0003 | INTX_DISABLE);
  });
});
