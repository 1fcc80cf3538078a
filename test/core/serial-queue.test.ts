// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { coalesced, SerialQueue } from '../../core/serial-queue.ts';

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('a serial queue', () => {
  it('runs one after the other (seed b1766b6289)', async () => {
    const queue = new SerialQueue();
    const trace: string[] = [];
    const task = (name: string, milliseconds: number) => async () => {
      trace.push(`${name} begins`);
      await pause(milliseconds);
      trace.push(`${name} ends`);
    };
    await Promise.all([queue.run(task('a', 5)), queue.run(task('b', 1)), queue.run(task('c', 0))]);
    expect(trace).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });

  it('goes on after a task that failed, and tells its caller', async () => {
    const queue = new SerialQueue();
    const failing = queue.run(() => Promise.reject(new Error('no')));
    const next = queue.run(() => Promise.resolve('yes'));
    await expect(failing).rejects.toThrow('no');
    expect(await next).toBe('yes');
  });
});

describe('coalesced looks (XSA-349)', () => {
  it('keep at most one look waiting, and never miss the last change', async () => {
    const queue = new SerialQueue();
    let value = 0;
    const seen: number[] = [];
    let release = () => {};
    const blocked = new Promise<void>((resolve) => {
      release = resolve;
    });
    void queue.run(() => blocked);
    const look = coalesced(
      queue,
      () => {
        seen.push(value);
        return Promise.resolve();
      },
      () => {},
    );
    for (value = 1; value < 1_000_000; value++) look();
    release();
    await queue.idle();
    expect(seen).toEqual([1_000_000]);
    value = 5;
    look();
    await queue.idle();
    expect(seen).toEqual([1_000_000, 5]);
  });

  it('report a look that fails and look again', async () => {
    const queue = new SerialQueue();
    const failures: unknown[] = [];
    const look = coalesced(
      queue,
      () => Promise.reject(new Error('no')),
      (error) => failures.push(error),
    );
    look();
    await queue.idle();
    look();
    await queue.idle();
    expect(failures).toHaveLength(2);
  });
});
