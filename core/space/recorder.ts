// SPDX-License-Identifier: MIT

import type { Outcome } from './outcome.ts';

/** One config access of a guest, as it was answered. */
export interface RecordedAccess {
  readonly kind: 'read' | 'write';
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  /** Read or written, `size` bytes, unsigned. */
  readonly value: number;
  /** As answered: a protocol status, or `Outcome.later`. */
  readonly status: Outcome;
  /** Bits of a written `value` that were refused, unsigned. */
  readonly denied: number;
  /** Bits of a written `value` that would change, and that no field claims, unsigned. */
  readonly wanted: number;
}

/** Takes down every config access of one device in the hands of one guest. It runs for each: no waiting, no throwing. */
export interface AccessRecorder {
  /** The object is used again for the next access: who keeps it copies it. */
  access(one: RecordedAccess): void;
}
