// SPDX-License-Identifier: MIT

import { type Behaviour, type Outcome, type RegisterAccess, Status } from '../../core/plugin/index.ts';

/** The bit that says whether a function can reset itself; the bit that resets it lies in the control register. */
interface Ability {
  /** Bytes from the register with that bit to the control register. */
  readonly before: number;
  readonly size: 1 | 2 | 4;
  readonly mask: number;
  /** The bit that resets, where the behaviour owns others too. Missing: all that it owns. */
  readonly asked?: number;
}

/** A guest's function-level reset goes to the reset hook, so that the host knows of it and waits as it has to. */
export const functionReset = ({ before, size, mask, asked }: Ability) =>
  ({
    about: { read: 'always 0', write: 'a one resets the function, through the reset hook' },
    read: () => 0,
    steady: true,
    described: { kind: 'inert' },
    write: (at: RegisterAccess, value: number): Outcome => {
      const reset = asked ?? at.mask;
      if ((value & reset) === 0) return Status.success;
      if ((at.device.hardware.readConfig(at.offset - before, size) & mask) !== 0) return at.device.resetFunction();
      at.deny(reset, 'the function has no function-level reset');
      return Status.success;
    },
  }) satisfies Behaviour;
