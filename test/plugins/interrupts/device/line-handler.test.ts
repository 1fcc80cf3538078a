// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import { Errno, type LineVerdict } from '../../../../core/platform/index.ts';
import { Request } from '../../../../core/ring/request.ts';
import { LineBench, refusal } from './line-bench.ts';

const name = 'xen-pciback[0000:03:00.0]';
let bench: LineBench;
beforeEach(() => {
  bench = new LineBench();
});

describe('adjusting the handler (seed 0513fe9e5b)', () => {
  it('step 1: a bridge gets none', () => {
    bench = new LineBench({ identity: { headerType: 1 } });
    bench.on();
    expect(bench.calls).toEqual([]);
  });

  it('step 2: a reset forgets what the guest wanted, and what is acknowledged', () => {
    bench.on();
    bench.handler.reset();
    expect(bench.calls).toEqual([`claim ${name}`, 'release']);
    expect(bench.handler.state).toMatchObject({ on: false, acknowledging: false });
    // The guest that comes next starts from off: switching on is a change again.
    bench.operations.serve(undefined);
    bench.handler.follow();
    bench.on();
    expect(bench.calls.at(-1)).toBe(`claim ${name}`);
  });

  it('step 3: neither wanted nor there: nothing happens', () => {
    bench.off();
    bench.handler.reset();
    expect(bench.calls).toEqual([]);
  });

  it('step 5: a device without a line gets none', () => {
    bench = new LineBench({ line: 0 });
    bench.on();
    expect(bench.calls).toEqual([]);
    expect(bench.handler.state).toMatchObject({ irq: 0, on: false });
  });

  it('step 6: never while MSI is on (XSA-157)', () => {
    bench.msiOn();
    bench.on();
    expect(bench.calls).toEqual([]);
    expect(bench.handler.state.on).toBe(false);
  });

  it('step 6: never while MSI-X is on, also where a device model switched it on through config space (XSA-157)', () => {
    bench = new LineBench({
      line: 19,
      image: [
        [0x06, 2, 0x0010],
        [0x34, 1, 0x70],
        [0x70, 1, 0x11],
        [0x72, 2, 0x8000],
      ],
    });
    bench.on();
    expect(bench.calls).toEqual([]);
  });

  it('step 7: is requested under its name when the guest switches the device on, once', () => {
    bench.on();
    bench.handler.follow();
    expect(bench.calls).toEqual([`claim ${name}`]);
  });

  it('step 7: a refusal is logged, and the device goes on without', () => {
    bench.claimError = refusal(Errno.EBUSY);
    bench.on();
    expect(bench.log).toEqual(['no handler on the line of the device']);
    expect(bench.handler.state).toMatchObject({ on: false, acknowledging: false });
    expect(bench.intxDisabled).toBe(false);
  });

  it('step 8: is freed when the guest switches the device off', () => {
    bench.on();
    bench.off();
    expect(bench.calls).toEqual([`claim ${name}`, 'release']);
  });

  it('step 9: on and acknowledging follow the guest', () => {
    bench.on();
    expect(bench.handler.state).toEqual({ name, irq: 19, on: true, acknowledging: true, handled: 0 });
    bench.off();
    expect(bench.handler.state).toEqual({ name, irq: 19, on: false, acknowledging: false, handled: 0 });
  });
});

describe('MSI and a handler that is installed', () => {
  it('enabling stops the acknowledging, disabling resumes it; the handler stays', () => {
    bench.on();
    bench.msiOn();
    expect(bench.handler.state).toMatchObject({ on: true, acknowledging: false });
    expect(bench.interrupt?.()).toBe('not mine');
    bench.msiOff();
    expect(bench.handler.state).toMatchObject({ on: true, acknowledging: true });
    expect(bench.calls).toEqual([`claim ${name}`, 'hear off', 'hear on']);
  });

  it('the host is told when the guest has switched its line off by itself, and when it is cut off', () => {
    bench.on();
    bench.handler.guestSwitched('disabled');
    bench.handler.guestSwitched('enabled');
    bench.handler.quiet();
    expect(bench.calls.slice(1)).toEqual(['hear off', 'hear on', 'hear off']);
    expect(bench.handler.state).toMatchObject({ on: true, acknowledging: true });
    bench.msiOn();
    bench.handler.guestSwitched('enabled');
    expect(bench.calls.slice(4)).toEqual(['hear off', 'hear off']);
    bench.off();
    bench.handler.quiet();
    expect(bench.calls.at(-1)).toBe('release');
  });

  it('a request that fails changes nothing, for MSI-X as for MSI (D-I1)', () => {
    bench.on();
    bench.mapError = refusal(Errno.ENODEV);
    expect(bench.msiOn()).not.toBe(0);
    // After the checks that come before the host is asked, where the kernel stops acknowledging.
    const request = new Request();
    request.value = 1;
    request.sealed();
    expect(bench.vectors.enableMsix(request)).toBe(-Errno.ENODEV);
    expect(bench.handler.state).toMatchObject({ on: true, acknowledging: true });
    expect(bench.interrupt?.()).toBe('handled');
    bench.mapError = undefined;
    request.value = 1;
    expect(bench.vectors.enableMsix(request)).toBe(0);
    expect(bench.handler.state).toMatchObject({ on: true, acknowledging: false });
  });

  it('disabling acknowledges nothing where no handler is (D-I3)', () => {
    bench.msiOn();
    bench.msiOff();
    expect(bench.handler.state).toMatchObject({ on: false, acknowledging: false });
    bench.claimError = refusal(Errno.EBUSY);
    bench.on();
    bench.msiOn();
    bench.msiOff();
    expect(bench.handler.state).toMatchObject({ on: false, acknowledging: false });
  });

  it('a device that was switched on under MSI gets its handler when MSI goes off (D-I4)', () => {
    bench.msiOn();
    bench.on();
    expect(bench.calls).toEqual([]);
    bench.msiOff();
    expect(bench.calls).toEqual([`claim ${name}`]);
    expect(bench.handler.state).toMatchObject({ on: true, acknowledging: true });
  });

  it('disabling what is off does not touch the handler', () => {
    bench.on();
    bench.shared = () => false;
    for (let i = 0; i < 1000; i++) bench.interrupt?.();
    bench.msiOff();
    expect(bench.handler.state.acknowledging).toBe(false);
  });
});

describe('the handler', () => {
  const take = (count: number): Set<LineVerdict | undefined> =>
    new Set(Array.from({ length: count }, () => bench.interrupt?.()));
  const queries = (): number => bench.calls.filter((call) => call === 'query 19').length;

  it('claims 999 interrupts without a question, asks at the 1000th, and stops where the line is not shared (seed 0513fe9e5b)', () => {
    bench.shared = () => false;
    bench.on();
    expect(take(999)).toEqual(new Set(['handled']));
    expect(queries()).toBe(0);
    // The interrupt at hand is still claimed, later ones are not.
    expect(take(1)).toEqual(new Set(['handled']));
    expect(queries()).toBe(1);
    expect(take(5)).toEqual(new Set(['not mine']));
    expect(bench.handler.state).toMatchObject({ on: true, acknowledging: false, handled: 1000 });
    expect(bench.log).toEqual(['line not shared with a guest: not acknowledged any more']);
    expect(bench.calls.at(-1)).toBe('hear off');
  });

  it('goes on where the line is shared, and asks each 1000th time', () => {
    bench.on();
    expect(take(3000)).toEqual(new Set(['handled']));
    expect(queries()).toBe(3);
    expect(bench.handler.state.acknowledging).toBe(true);
  });

  it('takes a question that fails for shared', () => {
    bench.shared = () => {
      throw refusal(Errno.EINVAL);
    };
    bench.on();
    expect(take(1001)).toEqual(new Set(['handled']));
  });

  it('takes a line that the host does not know for not shared', () => {
    bench.shared = () => {
      throw refusal(Errno.ENOENT);
    };
    bench.on();
    take(1000);
    expect(take(1)).toEqual(new Set(['not mine']));
  });

  it('says little, however often the guest makes it speak (D-I8)', () => {
    bench.claimError = refusal(Errno.EBUSY);
    for (let i = 0; i < 500; i++) {
      bench.on();
      bench.off();
    }
    expect(bench.log).toHaveLength(10);
    bench = new LineBench();
    bench.shared = () => false;
    for (let i = 0; i < 20; i++) {
      bench.on();
      take(1000);
      bench.off();
    }
    expect(bench.log).toHaveLength(10);
  });
});

describe('the toggle of an operator (D-S2)', () => {
  it('really takes the handler off, and puts it on', () => {
    bench.on();
    bench.handler.toggle();
    expect(bench.handler.state).toMatchObject({ on: false, acknowledging: false });
    bench.handler.toggle();
    expect(bench.handler.state).toMatchObject({ on: true, acknowledging: true });
    expect(bench.calls).toEqual([`claim ${name}`, 'release', `claim ${name}`]);
    bench.handler.reset();
    expect(bench.interrupt).toBeUndefined();
  });

  it('is refused where there can be no handler, with the reason', () => {
    const refused = (why: RegExp): void => {
      expect(() => bench.handler.toggle()).toThrow(expect.objectContaining({ code: 'LINE_HANDLER' }));
      expect(() => bench.handler.toggle()).toThrow(why);
    };
    bench.claimError = refusal(Errno.EOPNOTSUPP);
    refused(/EOPNOTSUPP/);
    bench.claimError = undefined;
    bench.msiOn();
    refused(/XSA-157/);
    bench = new LineBench({ line: 0 });
    refused(/no line/);
  });
});
