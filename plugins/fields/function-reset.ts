// SPDX-License-Identifier: MIT

import { type Behaviour, Status } from '../../core/plugin/index.ts';

/** The bit that says whether a function can reset itself; the bit that resets it lies in the control register. */
interface Ability {
  /** Bytes from the register with that bit to the control register. */
  readonly before: number;
  readonly size: 1 | 2 | 4;
  readonly mask: number;
}

/** A guest's function-level reset goes to the reset hook, so that the host knows of it and waits as it has to. */
export const functionReset = ({ before, size, mask }: Ability): Behaviour => ({
  about: { read: 'always 0', write: 'a one resets the function, through the reset hook' },
  read: () => 0,
  steady: true,
  described: { kind: 'inert' },
  write: (at, value) => {
    if ((value & at.mask) === 0) return Status.success;
    if ((at.device.hardware.readConfig(at.offset - before, size) & mask) !== 0) return at.device.resetFunction();
    at.deny(at.mask, 'the function has no function-level reset');
    return Status.success;
  },
});
