// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import { Hooks } from '../../../core/hooks/index.ts';
import { silent } from '../../../core/log.ts';
import type { Platform, ResetOutcome } from '../../../core/platform/index.ts';
import { Stub } from '../../../core/stub/index.ts';
import { Wall } from '../../../core/wall/wall.ts';
import { deviceInterrupts } from '../../../plugins/interrupts/device/device-interrupts.ts';
import { strict } from '../../../plugins/interrupts/strict.ts';
import { FakeFunction } from '../../kit/fake-function.ts';
import { createManualClock, type ManualClock } from '../../kit/manual-clock.ts';
import { tenantOf } from '../../kit/tenant.ts';
import { until } from '../../kit/until.ts';

const COMMAND = 0x04;
const BAR0 = 0x10;
const POWER = 0x40;
const PMCSR = POWER + 4;

/** A function whose reset really loses its registers, and whose config space is not there in D3hot. */
const forgetful = (): FakeFunction => {
  const nic = new FakeFunction({
    image: [
      [COMMAND, 2, 0x0003],
      [0x06, 2, 0x0010],
      [BAR0, 4, 0xfe000000],
      [0x34, 1, POWER],
      [POWER, 4, 0x0003_0001],
    ],
  });
  const write = nic.writeConfig.bind(nic);
  nic.writeConfig = (offset, size, value) => {
    // Lost without a word, as on the bus.
    if (offset < 0x40 && (nic.get(PMCSR, 2) & 3) === 3) return;
    write(offset, size, value);
  };
  nic.reset = () => {
    nic.put(COMMAND, 2, 0);
    nic.put(BAR0, 4, 0);
    return Promise.resolve<ResetOutcome>({ ok: true, method: 'flr' });
  };
  return nic;
};

let nic: FakeFunction;
let clock: ManualClock;
let stub: Stub;
beforeEach(() => {
  nic = forgetful();
  clock = createManualClock();
  const platform = {
    clock,
    pci: { seize: async () => nic, release: async () => {}, bridgesAbove: async () => [] },
    interrupts: { linePirq: () => 17 },
    lines: { canClaim: true, claim: () => ({ release: () => {} }), isShared: () => true, hostUsers: () => [] },
  } as unknown as Platform;
  const policy = {
    onReset: { failed: 'quarantine', unsupported: 'allow' },
    permissive: () => false,
    allowInterruptControl: () => false,
    interruptPolicy: () => 'strict',
    interruptPolicyNamed: () => ({ name: 'strict', plugin: 'test', thing: strict }),
    interruptDriver: () => ({ name: 'device', plugin: 'test', thing: deviceInterrupts }),
    contributions: () => [],
    interruptLimits: () => ({}),
  } as const;
  stub = new Stub(platform, new Hooks(new Wall(silent)), policy, silent);
});

const tenant = tenantOf(1);
/** Decode on, bus mastering off, its address. */
const asHostHadIt = [0x0003, 0xfe000000];
const now = (): number[] => [nic.get(COMMAND, 2), nic.get(BAR0, 4)];

describe('what a reset loses (seed cd9db80e52)', () => {
  it('at seizing is what was saved before it', async () => {
    await stub.seize(nic.identity.bdf);
    expect(now()).toEqual(asHostHadIt);
  });

  it('at return is what was saved at seizing, not what the guest left', async () => {
    const device = await stub.assign(nic.identity.bdf, tenant);
    nic.put(BAR0, 4, 0xdead0000);
    await stub.giveBack(device);
    expect(now()).toEqual(asHostHadIt);
  });

  it('at release is what was saved at seizing', async () => {
    await stub.seize(nic.identity.bdf);
    await stub.release(nic.identity.bdf);
    expect(now()).toEqual(asHostHadIt);
  });

  it('comes back too when the guest left the device in D3hot: it is woken first, and given its time', async () => {
    const device = await stub.assign(nic.identity.bdf, tenant);
    nic.put(PMCSR, 2, 3);
    nic.put(BAR0, 4, 0xdead0000);
    const back = stub.giveBack(device);
    await until('waiting for the device', () => clock.pending() > 0);
    expect(nic.get(BAR0, 4)).toBe(0xdead0000);
    clock.advance(10);
    await back;
    expect(device.quarantine).toBeUndefined();
    expect([...now(), nic.get(PMCSR, 2) & 3]).toEqual([...asHostHadIt, 0]);
  });
});
