// SPDX-License-Identifier: MIT

import { type Behaviour, type DescribedWrites, Status } from '../../core/plugin/index.ts';

const NOT_BY_CONFIG = 'the interrupt policy does not allow this change by a config write';

/** A stock driver writes here several times when it binds, and so does its front end. */
const refused: DescribedWrites = { kind: 'refused', why: NOT_BY_CONFIG };

/**
 * The message control word of MSI or MSI-X: a change is a question to the chosen interrupt policy. Guests switch
 * interrupts by requests of their own; only a device model in a stub domain writes here.
 */
export const controlWord = (kind: 'msi' | 'msix'): Behaviour => ({
  about: { write: 'goes to hardware if the interrupt policy allows the change, else refused' },
  described: refused,
  describedNow: ({ device }) => (device.refusesControlWords ? refused : undefined),
  write: (at, value) => {
    if (at.device.permissive) {
      at.write(value);
      return Status.success;
    }
    const now = at.read();
    if (value === now) return Status.success;
    if (!at.device.allowsControlWord(kind, now, value)) {
      at.deny(now ^ value, NOT_BY_CONFIG);
      return Status.accessDenied;
    }
    at.write(value);
    return Status.success;
  },
});
