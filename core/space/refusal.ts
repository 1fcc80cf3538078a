// SPDX-License-Identifier: MIT

import type { RefusedWrite } from '../platform/answerer.ts';

export type { RefusedWrite } from '../platform/answerer.ts';

/** The same with who refused it, and by which rule. */
export interface Refusal extends RefusedWrite {
  /** Plugin, set and register that own the bits, or the policy for bits without a field. It may be searched for: look once. */
  readonly owner: string;
  /** The rule, a constant text. */
  readonly why: string;
}

/** Where refused writes are noted, one at a time. */
export type RefusalNote = { -readonly [Key in keyof RefusedWrite]: RefusedWrite[Key] };

export const refusalNote = (): RefusalNote => ({ offset: 0, size: 0, value: 0, mask: 0, times: 1 });
