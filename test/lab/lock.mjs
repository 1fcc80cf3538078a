// SPDX-License-Identifier: MIT

import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from './scenarios.mjs';

/** Start time of a process in clock ticks since boot, so that a reused number is not taken for the same process. */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Fields after the command name, which is in brackets and may hold anything; start time is field 22.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined;
    throw error;
  }
}

/**
 * Takes the lab folder for this process. A lock whose process is gone is taken over.
 * @returns {() => void} gives it back; may be called more than once
 */
export function lockFolder(folder) {
  const lock = join(folder, 'lock');
  const mine = join(folder, `lock.${process.pid}`);
  writeFileSync(mine, `${process.pid} ${startTime(process.pid)}\n`);
  try {
    for (let tries = 0; ; tries++) {
      try {
        linkSync(mine, lock); // fails when the lock exists: the test and the taking are one step
        return () => rmSync(lock, { force: true });
      } catch (error) {
        if (error.code !== 'EEXIST' || tries > 2) throw error;
      }
      const [pid, started] = readFileSync(lock, 'utf8').trim().split(' ');
      if (startTime(pid) === started) {
        throw new UsageError(
          `${folder} is in use by another lab run (process ${pid}). Wait for it, or set PCIBACK_LAB to another folder.`,
        );
      }
      rmSync(lock, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
}
