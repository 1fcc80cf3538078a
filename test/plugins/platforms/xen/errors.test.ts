// SPDX-License-Identifier: MIT

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bdf, bdf, formatBdf } from '../../../../core/bdf.ts';
import { ChannelState, type GuestVerdict, Verdict } from '../../../../core/ring/layout.ts';
import { createDomains } from '../../../../plugins/platforms/xen/domains.ts';
import { createErrors, type XenErrors } from '../../../../plugins/platforms/xen/errors.ts';
import { readHeader, readText } from '../../../../plugins/platforms/xen/sysfs-files.ts';
import { recordingLog } from '../../../kit/embedded-host.ts';
import { createManualClock, type ManualClock } from '../../../kit/manual-clock.ts';
import { createFakeNative, fakePointer } from './fake-native.ts';

const device = bdf(0, 1, 0);
const port = bdf(0, 0, 0xe0);

let root: string;
let clock: ManualClock;
let errors: XenErrors;
let asked: string[];
let verdict: GuestVerdict;

const count = (address: Bdf, file: 'nonfatal' | 'fatal', total: number): void => {
  const folder = join(root, 'bus/pci/devices', formatBdf(address));
  mkdirSync(folder, { recursive: true });
  const lines = [`Undefined 0`, `CmpltTO ${total}`, `TOTAL_ERR_${file.toUpperCase()} ${total}`];
  writeFileSync(join(folder, `aer_dev_${file}`), `${lines.join('\n')}\n`);
};

/** Config space as it was when the guest got the device: its identity and one address. */
const there = (address = 0xfe00_0000, vendor = 0x8086, revision = 0): void => {
  const header = Buffer.alloc(64);
  header.writeUInt16LE(vendor, 0);
  header.writeUInt16LE(0xffff, 2);
  header.writeInt32LE(revision, 8);
  header.writeUInt32LE(address, 0x10);
  writeFileSync(join(root, 'bus/pci/devices', formatBdf(device), 'config'), header);
};
/** What the root port heard from below it: a fatal error of a function is counted nowhere else. */
const heard = (total: number): void => {
  writeFileSync(join(root, 'bus/pci/devices', formatBdf(port), 'aer_rootport_total_err_fatal'), `${total}\n`);
};
const silentNow = (): void => there(0xffff_ffff, 0xffff, -1);

let reading = 0;
const counted =
  <T>(reader: (path: string) => Promise<T>) =>
  async (path: string): Promise<T> => {
    reading++;
    try {
      return await reader(path);
    } finally {
      reading--;
    }
  };
const read = counted(readText);
const header = counted(readHeader);

/** Resolves when no file is being read and what was read has had its effect. */
const quiet = async (): Promise<void> => {
  for (let turns = 0; turns < 10; turns = reading === 0 ? turns + 1 : 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
};

/** Lets the files be read; then the next look is due. */
const look = async (): Promise<void> => {
  await quiet();
  clock.advance(1000);
  await quiet();
};

const { log, lines } = recordingLog();
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pciback-errors-'));
  clock = createManualClock();
  asked = [];
  verdict = Verdict.recovered;
  errors = createErrors({ sysfsRoot: root, clock, log, read, header, bridgesAbove: async () => [port] });
  errors.subscribe(async ({ stage, channel, bdf: address }) => {
    expect(address).toBe(device);
    asked.push(`${stage} ${channel}`);
    if (channel === ChannelState.permanentFailure) return Verdict.disconnect;
    if (stage === 'detected' && verdict === Verdict.recovered)
      return channel === ChannelState.frozen ? Verdict.needReset : Verdict.canRecover;
    return verdict;
  });
  count(device, 'nonfatal', 5);
  count(device, 'fatal', 0);
  count(port, 'fatal', 0);
  heard(4);
  there();
});
afterEach(() => {
  errors.close();
  rmSync(root, { recursive: true });
});

describe('errors on a real host', () => {
  it('nothing is looked at while no guest has a device', () => {
    expect(clock.pending()).toBe(0);
    const unwatch = errors.watch?.(device);
    expect(clock.pending()).toBe(1);
    unwatch?.();
    expect(clock.pending()).toBe(0);
  });

  it('what was counted before the guest came is not its concern; a new non-fatal error is told in stages', async () => {
    errors.watch?.(device);
    await look();
    expect(asked).toEqual([]);
    count(device, 'nonfatal', 6);
    await look();
    expect(asked).toEqual(['detected 1', 'mmioEnabled 1', 'resume 1']);
    await look();
    expect(asked).toHaveLength(3);
  });

  it('a guest that gives up hears that its channel is gone', async () => {
    verdict = Verdict.disconnect;
    errors.watch?.(device);
    await look();
    count(device, 'nonfatal', 6);
    await look();
    expect(asked).toEqual(['detected 1', `detected ${ChannelState.permanentFailure}`]);
  });

  it('after a fatal error, also one that a port above counts, the recovery goes on when the function was reset', async () => {
    errors.watch?.(device);
    await look();
    silentNow();
    count(port, 'fatal', 1);
    await look();
    await look();
    expect(asked).toEqual([]);
    // The link is up again, and the function has lost its addresses.
    there(0);
    await look();
    expect(asked).toEqual(['detected 2', 'slotReset 2', 'resume 2']);
    expect(lines.at(-1)).toMatchObject({ message: 'the host reset a link', facts: { answers: true } });
    await look();
    expect(asked).toHaveLength(3);
  });

  it('of a fatal error that only its root port heard of, a function is told when its link was reset', async () => {
    errors.watch?.(device);
    await look();
    heard(5);
    await look();
    expect(asked).toEqual([]);
    there(0);
    await look();
    expect(asked).toEqual(['detected 2', 'slotReset 2', 'resume 2']);
  });

  it('an error of another function below the same root port is no concern of one that keeps its link', async () => {
    errors.watch?.(device);
    await look();
    heard(5);
    for (let second = 0; second < 6; second++) await look();
    expect(asked).toEqual([]);
    count(device, 'nonfatal', 6);
    await look();
    expect(asked[0]).toBe('detected 1');
  });

  it('a function that keeps its addresses is given time: the reset may be still to come', async () => {
    errors.watch?.(device);
    await look();
    count(device, 'fatal', 1);
    await look();
    await look();
    expect(asked).toEqual([]);
    await look();
    await look();
    expect(asked).toEqual(['detected 2', 'slotReset 2', 'resume 2']);
  });

  it('a virtual function, whose vendor alone is all ones, answers', async () => {
    there(0, 0xffff);
    errors.watch?.(device);
    await look();
    heard(5);
    for (let second = 0; second < 6; second++) await look();
    expect(asked).toEqual([]);
  });

  it.each([
    ['all ones', 0xffff, -1],
    ['that it is not ready', 0x0001, 0],
  ])('a function that answers %s for a minute has lost its channel', async (_, vendor, revision) => {
    errors.watch?.(device);
    await look();
    there(0, vendor, revision);
    count(device, 'fatal', 1);
    await look();
    for (let second = 0; second < 58; second++) await look();
    expect(asked).toEqual([]);
    await look();
    await look();
    expect(asked).toEqual(['detected 2', `detected ${ChannelState.permanentFailure}`]);
  });

  it('a guest that gives up is not asked about the reset of its link', async () => {
    verdict = Verdict.disconnect;
    errors.watch?.(device);
    await look();
    there(0);
    count(device, 'fatal', 1);
    await look();
    expect(asked).toEqual(['detected 2', `detected ${ChannelState.permanentFailure}`]);
  });

  it('when this process ends, it waits for no link and asks nobody any more', async () => {
    errors.watch?.(device);
    await look();
    silentNow();
    count(device, 'fatal', 1);
    await look();
    errors.close();
    await look();
    expect(asked).toEqual([]);
    expect(clock.pending()).toBe(0);
  });

  it('after the guest has let go nobody is told', async () => {
    const unwatch = errors.watch?.(device);
    await look();
    count(device, 'fatal', 1);
    unwatch?.();
    await look();
    expect(asked).toEqual([]);
  });

  it('counters that cannot be read are said once, and read again', async () => {
    errors.close();
    errors = createErrors({
      sysfsRoot: root,
      clock,
      log,
      read,
      header,
      bridgesAbove: async () => [],
    });
    errors.subscribe(async ({ stage }) => {
      asked.push(stage);
      return Verdict.recovered;
    });
    const file = join(root, 'bus/pci/devices', formatBdf(device), 'aer_dev_fatal');
    rmSync(file);
    mkdirSync(file);
    lines.length = 0;
    errors.watch?.(device);
    await look();
    await look();
    expect(lines.map((line) => line.message)).toEqual(['errors of a device are not seen']);
    rmSync(file, { recursive: true });
    count(device, 'fatal', 0);
    await look();
    count(device, 'nonfatal', 6);
    await look();
    expect(asked[0]).toBe('detected');
  });
});

describe('guests as a whole', () => {
  it('are paused and crashed over libxenctrl, opened when it is needed', () => {
    const native = createFakeNative({
      xc_interface_open: () => fakePointer(),
      xc_interface_close: () => 0,
      xc_domain_pause: () => 0,
      xc_domain_shutdown: () => 0,
    });
    const domains = createDomains(native, ['libxenctrl.so']);
    expect(native.calls).toEqual([]);
    domains.pause?.(7);
    domains.destroy?.(7);
    domains.close();
    expect(native.calls).toEqual([
      'xc_interface_open null null 0',
      'xc_domain_pause handle 7',
      'xc_domain_shutdown handle 7 3',
      'xc_interface_close handle',
    ]);
  });

  it('a library without the calls is a platform that cannot', () => {
    const domains = createDomains(createFakeNative({}), ['libxenctrl.so']);
    expect([domains.pause, domains.destroy]).toEqual([undefined, undefined]);
  });

  it('a refusal is a host error with its errno', () => {
    const native = createFakeNative({
      xc_interface_open: () => fakePointer(),
      xc_interface_close: () => 0,
      xc_domain_pause: () => -1,
      xc_domain_shutdown: () => 0,
    });
    native.setErrno(3);
    const domains = createDomains(native, ['libxenctrl.so']);
    expect(() => domains.pause?.(7)).toThrow(/ESRCH/);
    domains.close();
    expect(() => domains.pause?.(7)).toThrow(/closed/);
  });
});
