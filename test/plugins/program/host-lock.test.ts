// SPDX-License-Identifier: MIT

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silent } from '../../../core/log.ts';
import type { NativeLoader } from '../../../plugins/kinds/native.ts';
import { createLoader } from '../../../plugins/native/koffi/index.ts';
import { holderOf, takeLock } from '../../../plugins/program/host-lock.ts';
import { announceOwner, describeOwner, ownerFile } from '../../../plugins/program/lock-owner.ts';
import { recordingLog } from '../../kit/embedded-host.ts';

vi.setConfig({ testTimeout: 60_000 });

const jiti = resolve(import.meta.dirname, '../../../node_modules/jiti/lib/jiti-cli.mjs');
const holder = join(import.meta.dirname, 'lock-holder.ts');

let home: string;
let path: string;
let native: NativeLoader;
const children: ChildProcess[] = [];
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'pciback-lock-'));
  path = join(home, 'host');
  writeFileSync(path, '');
  native = await createLoader();
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true });
});

/** Another process that wants the lock. */
const other = (...words: string[]) => {
  const env = { ...process.env, JITI_FS_CACHE: 'false' };
  const child = spawn(process.execPath, [jiti, holder, path, ...words], { stdio: ['ignore', 'pipe', 'inherit'], env });
  children.push(child);
  let out = '';
  let look = (): void => {};
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    look();
  });
  return {
    pid: child.pid ?? 0,
    said: (text: string): Promise<void> =>
      new Promise((done) => {
        look = () => {
          if (out.includes(text)) done();
        };
        look();
      }),
    kill: async (): Promise<void> => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
};

describe('the lock of the host', () => {
  it('is one process’s; a second is refused, and told who has it', async () => {
    const first = other();
    await first.said('held');
    expect(await takeLock(path, native)).toBeUndefined();
    const owner = describeOwner(path);
    expect(owner).toMatch(new RegExp(`^process ${first.pid}, started 20\\d\\d-.*Z, control socket /run/first\\.sock$`));
    expect(Math.abs(Date.parse(/started (\S+),/.exec(owner)?.[1] ?? '') - Date.now())).toBeLessThan(120_000);
  });

  it('is free in the moment in which its process is killed, whatever files it left', async () => {
    const first = other();
    await first.said('held');
    await first.kill();
    expect(existsSync(ownerFile(path))).toBe(true);
    const lock = await takeLock(path, native);
    expect(lock?.path).toBe(path);
    lock?.release();
  });

  it('is waited for by one that stands by', async () => {
    const first = other();
    await first.said('held');
    const second = other('wait');
    await second.said('waiting');
    await first.kill();
    await second.said('held');
    expect(describeOwner(path)).toContain(`process ${second.pid}, started`);
  });

  it('is not waited for any more when the waiting is ended', async () => {
    const lock = await takeLock(path, native);
    const ended = new AbortController();
    const waits = takeLock(path, native, { everyMs: 1, signal: ended.signal, waiting: () => ended.abort() });
    expect(await waits).toBeUndefined();
    lock?.release();
    const next = await takeLock(path, native);
    expect(next).toBeDefined();
    next?.release();
  });

  it('is let go once: a number of a file that was closed may be another’s', async () => {
    const lock = await takeLock(path, native);
    lock?.release();
    const reused = openSync(path, 'r');
    lock?.release();
    expect(() => closeSync(reused)).not.toThrow();
  });

  it.runIf(process.geteuid?.() === 0)('is one device node’s, too, whatever is done with the device', async () => {
    const node = join(home, 'node');
    execFileSync('mknod', [node, 'c', '1', '3']);
    const first = await takeLock(node, native);
    expect(first).toBeDefined();
    expect(await takeLock(node, native)).toBeUndefined();
    first?.release();
    const second = await takeLock(node, native);
    expect(second).toBeDefined();
    second?.release();
  });

  it('says what cannot be locked', async () => {
    await expect(takeLock(join(home, 'missing'), native)).rejects.toThrow(/^open: ENOENT \(2\) \(.*missing\)$/);
  });
});

describe('who has the lock', () => {
  it('is in a file for its own user, taken back with the lock', () => {
    const takeBack = announceOwner(path, undefined, silent);
    expect(statSync(ownerFile(path)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(ownerFile(path), 'utf8'))).toMatchObject({ pid: process.pid });
    expect(describeOwner(path)).toMatch(new RegExp(`^process ${process.pid}, .*, without a control socket$`));
    takeBack();
    expect(existsSync(ownerFile(path))).toBe(false);
  });

  it.each([
    ['another process has its number now', { pid: process.pid, since: '2020-01-01T00:00:00.000Z', ticks: 1 }],
    ['its process has ended', { pid: 4_000_000, since: '2020-01-01T00:00:00.000Z', ticks: 1 }],
    ['the file is none of ours', ['x']],
  ])('is not said from the file when %s', (_what, text) => {
    writeFileSync(ownerFile(path), JSON.stringify(text));
    expect(describeOwner(path)).toBe('a process that is not seen from here');
  });

  it('is found in the kernel’s list without the file', () => {
    const { dev, ino } = statSync(path, { bigint: true });
    const list = join(home, 'locks');
    const name = (major: bigint, minor: bigint) =>
      [major, minor].map((one) => one.toString(16).padStart(2, '0')).join(':');
    const here = name((dev >> 8n) & 0xfffn, (dev & 0xffn) | ((dev >> 12n) & 0xfff00n));
    writeFileSync(
      list,
      `1: POSIX  ADVISORY  WRITE 11 ${here}:${ino} 0 EOF\n2: FLOCK  ADVISORY  WRITE 12 ${here}:1${ino} 0 EOF\n3: FLOCK  ADVISORY  WRITE 13 ${here}:${ino} 0 EOF\n`,
    );
    expect(holderOf(path, list)).toBe(13);
    writeFileSync(list, '');
    expect(holderOf(path, list)).toBeUndefined();
  });

  it('is not said at all where the file cannot be written, which is logged', () => {
    const { log, lines } = recordingLog();
    announceOwner(join(path, 'no folder', 'x'), undefined, log)();
    expect(lines).toMatchObject([{ level: 'warn', message: 'a second pciback is told less about this one' }]);
  });
});
