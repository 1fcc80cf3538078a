// SPDX-License-Identifier: MIT

import { getPriority, setPriority } from 'node:os';

/** Whether this process may go before others, and back: root may. */
export const mayHurry = ((): boolean => {
  const before = getPriority();
  try {
    setPriority(before - 1);
    setPriority(before);
    return true;
  } catch {
    return false;
  }
})();
