// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Status } from '../../../core/ring/layout.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import { HostOperations } from '../../../core/stub/index.ts';
import { FakeFunction } from '../../kit/fake-function.ts';
import { createManualClock } from '../../kit/manual-clock.ts';

const COMMAND = 0x04;
const POWER = 0x40;
const PMCSR = POWER + 4;
const PME_STATUS = 0x8000;
const PME_ENABLE = 0x0100;

/** Terms that no test looks at. */
const forGuest = { permissive: false, allowed: false, limits: {}, interrupts: {} as never };

/** A function with power management: D1 and D2, PME_Status pending. */
const sleeper = () => {
  const nic = new FakeFunction({
    image: [
      [0x06, 2, 0x0010],
      [0x34, 1, POWER],
      [POWER, 2, 0x0001],
      [POWER + 2, 2, 0x0603],
      [PMCSR, 2, PME_STATUS | PME_ENABLE],
    ],
    clearedByOne: [[PMCSR, 2, PME_STATUS]],
  });
  const clock = createManualClock();
  return { nic, clock, operations: new HostOperations(nic, clock) };
};

describe('a change of the power state', () => {
  it.each([1, 2, 3] as const)('to D%i leaves a wake-up that is pending, and whether it is wanted', (state) => {
    const { nic, operations } = sleeper();
    operations.setPowerState(state);
    expect(nic.get(PMCSR, 2)).toBe(PME_STATUS | PME_ENABLE | state);
  });

  it('back to D0 leaves them too', () => {
    const { nic, clock, operations } = sleeper();
    nic.put(PMCSR, 2, PME_STATUS | PME_ENABLE | 3);
    expect(operations.setPowerState(0)).toBe(Outcome.later);
    clock.advance(10);
    expect(nic.get(PMCSR, 2)).toBe(PME_STATUS | PME_ENABLE);
  });

  it('is over when the device has had its time, not before', () => {
    const { clock, operations } = sleeper();
    const settled: number[] = [];
    operations.serve({
      ...forGuest,
      reset: async () => Status.success,
      settled: (status) => settled.push(status),
    });
    expect([operations.setPowerState(3), operations.busy]).toEqual([Outcome.later, true]);
    clock.advance(9);
    expect([settled, operations.busy]).toEqual([[], true]);
    clock.advance(1);
    expect([settled, operations.busy]).toEqual([[Status.success], false]);
  });

  it('ends with the guest that asked for it: nobody is told', () => {
    const { clock, operations } = sleeper();
    const settled: number[] = [];
    const terms = { ...forGuest, reset: async () => Status.success };
    operations.serve({ ...terms, settled: (status) => settled.push(status) });
    operations.setPowerState(3);
    operations.serve(undefined);
    operations.serve({ ...terms, settled: (status) => settled.push(status) });
    clock.advance(100);
    expect(settled).toEqual([]);
  });

  it('to a state that the device does not have changes nothing', () => {
    const { nic, operations } = sleeper();
    nic.put(POWER + 2, 2, 0x0003);
    expect([operations.setPowerState(1), operations.setPowerState(2)]).toEqual([Status.success, Status.success]);
    expect(nic.writes).toEqual([]);
  });

  it('from a deep state to one less deep is refused, but for D0', () => {
    const { nic, operations } = sleeper();
    nic.put(PMCSR, 2, 3);
    expect(operations.setPowerState(1)).toBe(Status.accessDenied);
    expect(nic.writes).toEqual([]);
  });
});

describe('switching off between guests (XSA-120)', () => {
  it('takes bus mastering, invalidation and both kinds of messages, and leaves decode', () => {
    const [MSI, MSIX] = [0x50, 0x70];
    const nic = new FakeFunction({
      image: [
        [COMMAND, 2, 0x0017],
        [0x06, 2, 0x0010],
        [0x34, 1, MSI],
        [MSI, 2, 0x0005 | (MSIX << 8)],
        [MSI + 2, 2, 0x0001],
        [MSIX, 1, 0x11],
        [MSIX + 2, 2, 0x8003],
      ],
    });
    new HostOperations(nic, createManualClock()).turnOff();
    expect([nic.get(COMMAND, 2), nic.get(MSI + 2, 2), nic.get(MSIX + 2, 2)]).toEqual([0x0003, 0, 3]);
  });
});
