// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';

/** Whether the process runs; one that was killed and not yet waited for does not. */
export const isAlive = (pid: number): boolean => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !['Z', 'X'].includes(text.charAt(text.lastIndexOf(')') + 2));
  } catch {
    // There is no such process.
    return false;
  }
};
