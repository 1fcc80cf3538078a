// SPDX-License-Identifier: MIT

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Lane } from '../../../../plugins/lane/lane.ts';
import type { XenBellStart } from '../../../../plugins/platforms/xen/bell.ts';
import type { Pace } from '../../../../plugins/platforms/xen/precedence.ts';
import { mayHurry } from '../../../kit/may-hurry.ts';
import { sourceModule } from '../../../kit/threads/source-module.ts';

/** A loader whose functions do nothing and succeed; it writes down who got memory and gave it back. */
const loader = (log: string): string => `import { appendFileSync } from 'node:fs';
const said = (what) => appendFileSync(${JSON.stringify(log)}, what + '\\n');
const bytes = new SharedArrayBuffer(4096);
export const createLoader = async () => ({
  errno: () => 0,
  address: () => 1n,
  pointer: () => ({}),
  view: () => bytes,
  bind: () => ({
    ioctl: () => 0,
    poll: () => 0,
    pread: (_file, _buffer, size) => Number(size),
    pwrite: (_file, _buffer, size) => Number(size),
    calloc: () => (said('calloc'), {}),
    free: () => said('free'),
  }),
});
`;

describe('the bell of the lane on Xen', () => {
  let home = '';
  /** Of events there are always some, all of the lane's own port, so that it never sleeps. */
  let fd = 0;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'pciback-lane-'));
    writeFileSync(join(home, 'loader.mjs'), loader(join(home, 'log')));
    writeFileSync(join(home, 'log'), '');
    fd = openSync('/dev/zero', 'r+');
  });
  afterEach(() => {
    closeSync(fd);
    rmSync(home, { recursive: true });
  });

  const start = (pace: Pace | undefined): Lane => {
    const own: XenBellStart = { fd, wakePort: 0, loader: pathToFileURL(join(home, 'loader.mjs')).href, pace };
    const nothing = (): void => undefined;
    const terms = {
      bell: new URL('../../../../plugins/platforms/xen/bell.ts', import.meta.url),
      own,
      policy: { longest: 0, wakeUps: 0, shortest: 0, patience: 0 },
      ring: nothing,
      deliver: nothing,
      lost: nothing,
      failed: (error: Error) => {
        throw error;
      },
    };
    return new Lane(terms, sourceModule(new URL('../../../../plugins/lane/thread.ts', import.meta.url)));
  };
  /** Rehearsed, and woken out of its sleep since: it has taken what precedence it takes. */
  const running = async (lane: Lane): Promise<void> => {
    await lane.ready;
    await vi.waitFor(() => expect(lane.report().wakes).toBeGreaterThan(1), { timeout: 15_000 });
  };
  const log = (): string => readFileSync(join(home, 'log'), 'utf8');

  it('gives the page of its rehearsal back when it ends', async () => {
    const lane = start(undefined);
    await running(lane);
    expect(log()).toBe('calloc\n');
    await lane.close();
    expect(log()).toBe('calloc\nfree\n');
  });

  it('takes no precedence that it is not given', async () => {
    const lane = start(undefined);
    await running(lane);
    expect(lane.report().urgent).toBe(false);
    await lane.close();
  });

  it.skipIf(!mayHurry)('takes precedence for itself only', async () => {
    const before = getPriority();
    const lane = start({ urgent: -20, usual: before });
    await running(lane);
    expect(lane.report().urgent).toBe(true);
    expect(getPriority()).toBe(before);
    await lane.close();
  });
});
