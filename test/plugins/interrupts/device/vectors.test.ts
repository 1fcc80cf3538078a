// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import { Errno, HostError } from '../../../../core/platform/index.ts';
import { Status } from '../../../../core/ring/layout.ts';
import { Request } from '../../../../core/ring/request.ts';
import { HostOperations } from '../../../../core/stub/index.ts';
import { Vectors } from '../../../../plugins/interrupts/device/vectors.ts';
import { FakeFunction } from '../../../kit/fake-function.ts';
import { createManualClock } from '../../../kit/manual-clock.ts';

const COMMAND = 0x04;
const MSI = 0x50;
const MSIX = 0x70;
const TABLE_SIZE = 4;

let nic: FakeFunction;
/** PIRQs that the hypervisor has mapped. */
let mapped: Set<number>;
/** What the next mapping throws, once that many are mapped. */
let failing: { readonly after: number; readonly error: Error } | undefined;
let next: number;
let vectors: Vectors;
/** The command register at each time the hypervisor was asked to write messages again. */
let restored: number[];

beforeEach(() => {
  nic = new FakeFunction({
    image: [
      [COMMAND, 2, 0x0002],
      [0x06, 2, 0x0010],
      [0x34, 1, MSI],
      [MSI, 2, 0x0005 | (MSIX << 8)],
      [MSIX, 1, 0x11],
      [MSIX + 2, 2, TABLE_SIZE - 1],
    ],
    resources: [{ start: 0xfe000000n, size: 0x4000n, flags: 0x200 }],
  });
  mapped = new Set();
  restored = [];
  failing = undefined;
  next = 50;
  const map = (): number => {
    if (failing !== undefined && mapped.size >= failing.after) throw failing.error;
    mapped.add(next);
    return next++;
  };
  vectors = new Vectors({
    domain: 1,
    operations: new HostOperations(nic, createManualClock()),
    mapper: {
      mapMsi: map,
      mapMsix: map,
      restoreMessages: (device: FakeFunction) => restored.push(device.readConfig(COMMAND, 2)),
      unmap: (_: number, pirq: number) => {
        if (!mapped.delete(pirq)) throw new Error(`${pirq} was not mapped`);
      },
      linePirq: () => 19,
    } as never,
    refuses: () => undefined,
    warn: () => undefined,
  });
});

/** Asks for MSI-X with these entries of the table. */
const enableMsix = (...entries: number[]): number => {
  const request = new Request();
  request.value = entries.length;
  const halves = new Uint16Array(request.bytes.buffer);
  for (const [i, entry] of entries.entries()) halves[18 + 2 * i + 1] = entry;
  request.sealed();
  return vectors.enableMsix(request);
};
const isOn = () => (nic.get(MSIX + 2, 2) & 0x8000) !== 0;

describe('an MSI-X request that fails half way (XSA-360)', () => {
  it('leaves nothing mapped and nothing switched on, and the next one works', () => {
    failing = { after: 2, error: new HostError('map', Errno.ENOSPC) };
    expect(enableMsix(0, 1, 2)).toBe(-Errno.ENOSPC);
    expect([[...mapped], vectors.mapped, isOn()]).toEqual([[], 0, false]);
    failing = undefined;
    expect(enableMsix(0, 1, 2)).toBe(Status.success);
    expect([mapped.size, vectors.mapped, isOn()]).toEqual([3, 3, true]);
  });

  it('leaves nothing mapped for a PIRQ that does not fit the answer (D-I6)', () => {
    next = 0xffff;
    expect(enableMsix(0, 1)).toBe(-Errno.ENOSPC);
    expect([[...mapped], vectors.mapped, isOn()]).toEqual([[], 0, false]);
  });

  it('leaves nothing mapped when the device does not take it', () => {
    nic.beforeAccess = (kind, offset) => {
      if (kind === 'write' && offset === MSIX + 2) throw new HostError('config write', Errno.EIO);
    };
    expect(enableMsix(0, 1)).toBe(-Errno.EIO);
    expect([[...mapped], vectors.mapped]).toEqual([[], 0]);
  });

  it('leaves nothing mapped after a defect, which is not hidden', () => {
    failing = { after: 1, error: new TypeError('a defect') };
    expect(() => enableMsix(0, 1)).toThrow('a defect');
    expect([[...mapped], vectors.mapped]).toEqual([[], 0]);
  });
});

it('an MSI request that fails leaves nothing mapped', () => {
  nic.beforeAccess = (kind, offset) => {
    if (kind === 'write' && offset === MSI + 2) throw new HostError('config write', Errno.EIO);
  };
  expect(vectors.enableMsi(new Request())).toBe(Status.opFailed);
  expect([[...mapped], vectors.mapped]).toEqual([[], 0]);
});

describe('the list of an MSI-X request', () => {
  it.each<[string, number[], number]>([
    ['the whole table', [3, 2, 1, 0], Status.success],
    ['no entry', [], -Errno.EINVAL],
    ['more than the table has', [0, 1, 2, 3, 0], -Errno.ENOSPC],
    ['the first entry behind the table', [0, TABLE_SIZE], -Errno.EINVAL],
    ['an entry far behind it', [0xffff], -Errno.EINVAL],
    ['one entry twice', [1, 0, 1], -Errno.EINVAL],
  ])('%s', (_, entries, status) => {
    expect(enableMsix(...entries)).toBe(status);
    expect(mapped.size).toBe(status === Status.success ? entries.length : 0);
  });

  it('is not looked at while decode is off (CVE-2015-8553), nor while a kind is on', () => {
    nic.put(COMMAND, 2, 0);
    expect(enableMsix(0)).toBe(-Errno.ENXIO);
    nic.put(COMMAND, 2, 2);
    expect([enableMsix(0), enableMsix(1)]).toEqual([Status.success, -Errno.EALREADY]);
    vectors.teardown();
    expect([vectors.enableMsi(new Request()), enableMsix(0)]).toEqual([Status.success, -Errno.ENXIO]);
    expect(mapped.size).toBe(1);
  });
});

describe('after a reset', () => {
  it('the messages are written again into a table that answers, then MSI-X comes on', () => {
    enableMsix(0, 1);
    // What a reset of the link leaves, but for the addresses, which are the restorer's.
    nic.put(COMMAND, 2, 0);
    nic.put(MSIX + 2, 2, TABLE_SIZE - 1);
    vectors.restore();
    expect(restored.map((command) => command & 2)).toEqual([2]);
    expect([isOn(), nic.get(COMMAND, 2) & 2, mapped.size]).toEqual([true, 2, 2]);
  });

  it('MSI needs no memory for that; what is off is left alone', () => {
    vectors.restore();
    expect(restored).toEqual([]);
    vectors.enableMsi(new Request());
    nic.put(COMMAND, 2, 0);
    nic.put(MSI + 2, 2, 0);
    vectors.restore();
    expect(restored.map((command) => command & 2)).toEqual([0]);
    expect(nic.get(MSI + 2, 2) & 1).toBe(1);
  });
});
