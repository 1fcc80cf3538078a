// SPDX-License-Identifier: MIT

import { fail } from '../core/errors/index.ts';
import { Status } from '../core/ring/layout.ts';
import type { Behaviour, RegisterAccess, SharedWords } from '../core/space/behaviour.ts';
import { stateOf } from '../core/space/state.ts';

/** What the register holds, with the behaviour's own bits from `value`, unsigned. */
const merged = (at: RegisterAccess, now: number, value: number): number => ((now & ~at.mask) | (value & at.mask)) >>> 0;

/**
 * Bits that take the listed values and no other; what a register holds already may be written again, without effect.
 *
 * ```ts
 * register(0x4e, 8, 'transport').calls(onlyValues([0x0f], 'coherence can only be switched on'), bits(3, 0))
 * ```
 *
 * @param values of the bits that the behaviour owns, in their place
 * @param why of a refusal, a constant text
 */
export const onlyValues = (values: readonly number[], why: string): Behaviour => ({
  write: (at, value) => {
    const now = at.read();
    if (values.includes((value & at.mask) >>> 0)) at.write(merged(at, now, value));
    else if (((value ^ now) & at.mask) !== 0) at.deny((value ^ now) & at.mask, why);
    return Status.success;
  },
});

/**
 * Bits that a guest can clear and never set.
 *
 * @param why of a refusal, a constant text
 */
export const clearOnly = (why: string): Behaviour => ({
  write: (at, value) => {
    const now = at.read();
    const raised = value & ~now & at.mask;
    if (raised !== 0) at.deny(raised, why);
    const next = (now & ~(at.mask & ~value)) >>> 0;
    if (next !== now) at.write(next);
    return Status.success;
  },
});

/**
 * Bits that can be written while `open` holds.
 *
 * @param open looks at the state words, or at hardware; `value` is the whole register as the guest would have it
 * @param why of a refusal, a constant text
 * @param shared the words that `open` looks at
 */
export const onlyWhile = (
  open: (at: RegisterAccess, value: number) => boolean,
  why: string,
  shared: SharedWords,
): Behaviour => ({
  shared,
  write: (at, value) => {
    const now = at.read();
    // A window is written again with the same value to make it act, so an unchanged value counts too.
    if (open(at, value)) at.write(merged(at, now, value));
    else if (((value ^ now) & at.mask) !== 0) at.deny((value ^ now) & at.mask, why);
    return Status.success;
  },
});

/** A key register: it takes this value, and those it rests at. */
export interface Key {
  /** What opens. */
  readonly value: number;
  /** Values that lock again, beside the one the register had when the guest got the device. */
  readonly rests?: readonly number[];
}

/** Key registers and what they open. */
export interface Lock {
  /**
   * The register of key number `index`. It takes the key, the resting values and what it held at first, nothing else.
   * @throws PcibackError `FIELD_INVALID` when there is no such key
   */
  key(index?: number): Behaviour;
  /** Bits that can be written while every key holds its value. Of `values` only those are taken; missing: every one. */
  opens(values?: readonly number[]): Behaviour;
}

/** Of each key: whether the guest has put its value in, and what the register held at first. */
const state = stateOf('turned', 'first');

const NOT_A_KEY = 'a key register takes its key and what it held before';
const LOCKED = 'the key register does not hold its key';

/**
 * A lock with state per device and guest: a guest that gets the device finds it locked, whatever the one before did.
 *
 * ```ts
 * const key = lock({ value: 0x57 });
 * register(0xca, 8, 'key').calls(key.key());
 * register(0xcb, 8, 'MMC off').calls(key.opens([bit(1)]), bit(1));
 * ```
 */
export const lock = (...keys: readonly Key[]): Lock => {
  const shared: SharedWords = { words: keys.length * state.words };
  const isOpen = ({ words }: RegisterAccess): boolean =>
    keys.every((_, index) => words[index * state.words + state.turned] === 1);
  return {
    key: (index = 0) => {
      const one = keys[index] ?? fail('FIELD_INVALID', { register: 'key', why: `the lock has no key number ${index}` });
      const { value: fits, rests = [] } = one;
      const turned = index * state.words + state.turned;
      const first = index * state.words + state.first;
      return {
        shared,
        attach: (at) => {
          at.words[first] = at.read();
        },
        write: (at, value) => {
          const { words } = at;
          if (value !== fits && value !== words[first] && !rests.includes(value)) {
            if (value !== at.read()) at.deny(value ^ at.read(), NOT_A_KEY);
            return Status.success;
          }
          words[turned] = value === fits ? 1 : 0;
          at.write(value);
          return Status.success;
        },
      };
    },
    opens: (values) =>
      onlyWhile((at, value) => isOpen(at) && (values?.includes((value & at.mask) >>> 0) ?? true), LOCKED, shared),
  };
};
