// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import type { SharedLines } from '../../../../core/interrupts.ts';
import { Errno } from '../../../../core/platform/index.ts';
import { HostOperations } from '../../../../core/stub/index.ts';
import type { FakeFunctionSettings } from '../../../kit/fake-function.ts';
import { createManualClock } from '../../../kit/manual-clock.ts';
import { COMMAND, INTX_DISABLE, LineBench, refusal } from './line-bench.ts';

describe('a host that cannot be given a handler', () => {
  let bench: LineBench;
  const users = ['ehci_hcd:usb1'];
  const make = (sharedLines: SharedLines = 'refuse', settings: FakeFunctionSettings = {}): LineBench => {
    bench = new LineBench(settings, false, sharedLines);
    return bench;
  };

  it('leaves a device alone that has its line for itself', () => {
    make().handler.prepare();
    bench.on();
    expect(bench.intxDisabled).toBe(false);
    expect(bench.calls).toEqual([]);
    expect(bench.log).toEqual([]);
    expect(bench.handler.state.refused).toBeUndefined();
  });

  it('keeps INTX_DISABLE set where a driver uses the line, whatever the guest does, and says so once', () => {
    make().users = users;
    bench.handler.prepare();
    expect(bench.intxDisabled).toBe(true);
    for (let i = 0; i < 3; i++) {
      bench.on();
      expect(bench.intxDisabled).toBe(true);
      bench.operations.setIntxDisabled('off');
      expect(bench.intxDisabled).toBe(true);
      bench.msiOn();
      bench.msiOff();
      expect(bench.intxDisabled).toBe(true);
      bench.off();
    }
    const why = "line 19 is also used by the host's ehci_hcd:usb1";
    expect(bench.log).toEqual([why]);
    expect(bench.handler.state.refused).toBe(why);
  });

  it('keeps it set over the way back from D3hot', () => {
    make('refuse', {
      line: 19,
      image: [
        [0x06, 2, 0x0010],
        [0x34, 1, 0x40],
        [0x40, 4, 0x0003_0001],
        [0x44, 2, 0x0000],
      ],
    });
    const clock = createManualClock();
    const operations = new HostOperations(bench.nic, clock);
    // Somebody has to wait for the answer.
    operations.serve({ limits: {}, settled: () => undefined } as never);
    operations.holdIntx('on');
    operations.setPowerState(3);
    clock.advance(20);
    operations.setPowerState(0);
    // A device without No_Soft_Reset loses its command register on the way.
    bench.nic.put(COMMAND, 2, 0);
    clock.advance(20);
    expect(bench.intxDisabled).toBe(true);
  });

  it('gives the line to the device again when the driver has gone', () => {
    make().users = users;
    bench.handler.prepare();
    bench.on();
    bench.off();
    bench.users = [];
    bench.on();
    expect(bench.intxDisabled).toBe(false);
    expect(bench.handler.state.refused).toBeUndefined();
  });

  it('takes a line that it cannot look at for used', () => {
    make().usersError = refusal(Errno.EIO);
    bench.handler.prepare();
    expect(bench.intxDisabled).toBe(true);
  });

  it('refuses a device that cannot be silenced: it has no INTX_DISABLE (PCI 2.2)', () => {
    make('refuse', { line: 19, readOnly: [[COMMAND, 2, INTX_DISABLE]] }).users = users;
    expect(() => bench.handler.prepare()).toThrow(expect.objectContaining({ code: 'LINE_SHARED' }));
    expect(() => bench.handler.prepare()).toThrow(/0000:03:00\.0 .*INTX_DISABLE.*ehci_hcd:usb1/);
    make('refuse', { line: 19, readOnly: [[COMMAND, 2, INTX_DISABLE]] }).handler.prepare();
  });

  it('says so where the driver came after the guest got such a device', () => {
    make('refuse', { line: 19, readOnly: [[COMMAND, 2, INTX_DISABLE]] }).handler.prepare();
    bench.users = users;
    bench.on();
    expect(bench.log).toEqual(['device cannot be kept from its line: the host may shut it down']);
    expect(bench.handler.state.refused).toBeUndefined();
  });

  it('refuses a device whose INTX_DISABLE does not mask its line', () => {
    make().users = users;
    bench.operations.serve({ limits: { maskingBroken: true } } as never);
    expect(() => bench.handler.prepare()).toThrow(expect.objectContaining({ code: 'LINE_SHARED' }));
  });

  it('lets INTX_DISABLE go where it would stop messages too, for as long as those are on', () => {
    make().users = users;
    bench.operations.serve({ limits: { disableStopsMessages: true } } as never);
    bench.handler.prepare();
    bench.on();
    expect(bench.intxDisabled).toBe(true);
    bench.msiOn();
    expect(bench.intxDisabled).toBe(false);
    bench.off();
    bench.on();
    expect(bench.intxDisabled).toBe(false);
    bench.off();
    bench.msiOff();
    expect(bench.intxDisabled).toBe(true);
  });

  it('lets it all pass where the operator allows it', () => {
    make('allow', { line: 19, readOnly: [[COMMAND, 2, INTX_DISABLE]] }).users = users;
    bench.handler.prepare();
    make('allow').users = users;
    bench.handler.prepare();
    bench.on();
    expect(bench.intxDisabled).toBe(false);
  });
});
