// SPDX-License-Identifier: MIT

import { fail } from '../errors/index.ts';
import { Status } from '../ring/layout.ts';
import type { Behaviour, RegisterAccess, SharedWords } from '../space/behaviour.ts';

const ALL = 0xffffffff;

/** The register's content with the bits of `mask` from `value`, unsigned. */
const merged = (now: number, value: number, mask: number): number => ((now & ~mask) | (value & mask)) >>> 0;

/**
 * Bits that take the listed values and no other; what a register holds already may be written again, without effect.
 *
 * @param values of the bits in `mask`, in their place
 * @param why of a refusal, a constant text
 * @param mask bits of the register that make the value; missing: all
 */
export const onlyValues = (values: readonly number[], why: string, mask = ALL): Behaviour => ({
  write: (at, value) => {
    const now = at.read();
    if (values.includes((value & mask) >>> 0)) at.write(merged(now, value, mask));
    else if (((value ^ now) & mask) !== 0) at.deny((value ^ now) & mask, why);
    return Status.success;
  },
});

/**
 * Bits that a guest can clear and never set.
 *
 * @param why of a refusal, a constant text
 * @param mask bits of the register that are meant
 */
export const clearOnly = (why: string, mask: number): Behaviour => ({
  write: (at, value) => {
    const now = at.read();
    const raised = value & ~now & mask;
    if (raised !== 0) at.deny(raised, why);
    const next = (now & ~(mask & ~value)) >>> 0;
    if (next !== now) at.write(next);
    return Status.success;
  },
});

/**
 * Bits that can be written while `open` holds.
 *
 * @param open looks at the state words, or at hardware
 * @param why of a refusal, a constant text
 * @param shared the words that `open` looks at
 * @param mask bits of the register that are meant; missing: all
 */
export const onlyWhile = (
  open: (at: RegisterAccess, value: number) => boolean,
  why: string,
  shared: SharedWords,
  mask = ALL,
): Behaviour => ({
  shared,
  write: (at, value) => {
    const now = at.read();
    // A window is written again with the same value to make it act, so an unchanged value counts too.
    if (open(at, value)) at.write(merged(now, value, mask));
    else if (((value ^ now) & mask) !== 0) at.deny((value ^ now) & mask, why);
    return Status.success;
  },
});

/** A key register: it takes this value, and those it rests at. */
export interface Key {
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
  opens(mask: number, values?: readonly number[]): Behaviour;
}

/** State words per key: whether the guest has put its value in, and what the register held at first. */
const TURNED = 0;
const FIRST = 1;
const PER_KEY = 2;

const NOT_A_KEY = 'a key register takes its key and what it held before';
const LOCKED = 'the key register does not hold its key';

/**
 * A lock with state per device and guest: a guest that gets the device finds it locked, whatever the one before did.
 */
export const lock = (...keys: readonly Key[]): Lock => {
  const shared: SharedWords = { words: keys.length * PER_KEY };
  const isOpen = ({ words }: RegisterAccess): boolean =>
    keys.every((_, index) => words[index * PER_KEY + TURNED] === 1);
  return {
    key: (index = 0) => {
      const one = keys[index] ?? fail('FIELD_INVALID', { register: 'key', why: `the lock has no key number ${index}` });
      const { value: fits, rests = [] } = one;
      const base = index * PER_KEY;
      return {
        shared,
        attach: (at) => {
          at.words[base + FIRST] = at.read();
        },
        write: (at, value) => {
          const { words } = at;
          if (value !== fits && value !== words[base + FIRST] && !rests.includes(value)) {
            if (value !== at.read()) at.deny(value ^ at.read(), NOT_A_KEY);
            return Status.success;
          }
          words[base + TURNED] = value === fits ? 1 : 0;
          at.write(value);
          return Status.success;
        },
      };
    },
    opens: (mask, values) =>
      onlyWhile(
        (at, value) => isOpen(at) && (values === undefined || values.includes((value & mask) >>> 0)),
        LOCKED,
        shared,
        mask,
      ),
  };
};
