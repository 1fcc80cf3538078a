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

/** The refusal that is told now; what takes a search is searched for when it is asked for. */
export class CurrentRefusal implements Refusal {
  offset = 0;
  size = 0;
  value = 0;
  mask = 0;
  times = 1;
  why = '';
  /** `undefined`: the policy of the bits. */
  register: { readonly owner: string } | undefined;
  readonly #claims: (offset: number, mask: number) => readonly { readonly owner: string }[];

  /** @param claims those of bits of an access at this offset */
  constructor(claims: (offset: number, mask: number) => readonly { readonly owner: string }[]) {
    this.#claims = claims;
  }

  get owner(): string {
    if (this.register !== undefined) return this.register.owner;
    const owners = new Set(this.#claims(this.offset, this.mask).map((claim) => claim.owner));
    return owners.size === 0 ? 'policy: drop' : [...owners].join('; ');
  }
}

export const refusalNote = (): RefusalNote => ({ offset: 0, size: 0, value: 0, mask: 0, times: 1 });
