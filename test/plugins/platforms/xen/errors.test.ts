// SPDX-License-Identifier: MIT

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bdf, bdf, formatBdf } from '../../../../core/bdf.ts';
import { ChannelState, type GuestVerdict, Verdict } from '../../../../core/ring/layout.ts';
import { createDomains } from '../../../../plugins/platforms/xen/domains.ts';
import { createErrors, type XenErrors } from '../../../../plugins/platforms/xen/errors.ts';
import { readText } from '../../../../plugins/platforms/xen/sysfs-files.ts';
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

let reading = 0;
const read = async (path: string): Promise<string | undefined> => {
  reading++;
  try {
    return await readText(path);
  } finally {
    reading--;
  }
};

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
  errors = createErrors({ sysfsRoot: root, clock, log, read, bridgesAbove: async () => [port] });
  errors.subscribe(async ({ stage, channel, bdf: address }) => {
    expect(address).toBe(device);
    asked.push(`${stage} ${channel}`);
    return stage === 'detected' && verdict === Verdict.recovered ? Verdict.canRecover : verdict;
  });
  count(device, 'nonfatal', 5);
  count(device, 'fatal', 0);
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

  it('a fatal error, also one that a port above counts, is the end of the channel', async () => {
    errors.watch?.(device);
    await look();
    count(port, 'fatal', 1);
    await look();
    expect(asked).toEqual([`detected ${ChannelState.permanentFailure}`]);
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
    count(device, 'fatal', 1);
    await look();
    expect(asked).toEqual(['detected']);
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
