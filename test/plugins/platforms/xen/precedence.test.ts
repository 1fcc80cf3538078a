// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { silent } from '../../../../core/log.ts';
import { hurryBetween, type NiceValues, paceOf, takePrecedence } from '../../../../plugins/platforms/xen/precedence.ts';

/** A thread with a nice value, whose host may refuse to lower it. */
const thread = (value: number, refuses = false): NiceValues & { value: number } => ({
  value,
  get() {
    return this.value;
  },
  set(wanted) {
    if (refuses && wanted < this.value) throw new Error('EACCES');
    this.value = wanted;
  },
});

describe('the control thread', () => {
  it.each([0, 5, -3])('started with nice value %i gets that back', (value) => {
    const nice = thread(value);
    const precedence = takePrecedence(silent, nice);
    expect(nice.value).toBe(-7);
    precedence.close();
    expect(nice.value).toBe(value);
    nice.value = 3;
    precedence.close();
    expect(nice.value).toBe(3);
  });

  it('that has more already keeps it', () => {
    const nice = thread(-15);
    takePrecedence(silent, nice).close();
    expect(nice.value).toBe(-15);
  });

  it('that may not have it stays as it is', () => {
    const nice = thread(2, true);
    const precedence = takePrecedence(silent, nice);
    expect(nice.value).toBe(2);
    precedence.close();
    expect(nice.value).toBe(2);
  });

  it('whose value somebody has changed meanwhile keeps that', () => {
    const nice = thread(0);
    const precedence = takePrecedence(silent, nice);
    nice.value = 10;
    precedence.close();
    expect(nice.value).toBe(10);
  });
});

describe('the lane', () => {
  it('falls back to what the process was started with, not to what its thread began with', () => {
    const nice = thread(-7);
    const hurry = hurryBetween({ urgent: -20, usual: 5 }, nice);
    expect(hurry('urgent')).toBe(true);
    expect(nice.value).toBe(-20);
    expect(hurry('usual')).toBe(true);
    expect(nice.value).toBe(5);
  });

  it('says when the host does not obey', () => {
    expect(hurryBetween({ urgent: -20, usual: 0 }, thread(0, true))('urgent')).toBe(false);
  });

  it.each([
    ['none', 0, undefined],
    ['lane', 0, { urgent: -7, usual: 0 }],
    ['lane', -12, { urgent: -12, usual: -12 }],
    ['full', 0, { urgent: -20, usual: 0 }],
  ] as const)('with precedence %s, in a process started with %i, has %j', (precedence, usual, pace) => {
    expect(paceOf(precedence, usual)).toEqual(pace);
  });
});
