// SPDX-License-Identifier: MIT

import { type Behaviour, bit, Status } from '../../core/plugin/index.ts';

const BIST_START = bit(6);

/** Built-in self test: the guest may start it and repeat what is there, and nothing else. */
export const selfTest: Behaviour = {
  about: { write: 'starts the self test, or repeats what is there; else refused' },
  write: (at, value) => {
    const other = at.read() ^ value;
    if ((other & ~BIST_START) === 0 || value === BIST_START) at.write(value);
    else at.deny(other, 'only the start bit of BIST can be written');
    return Status.success;
  },
};
