// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import type { ControlWordQuestion, InterruptType } from '../../../core/interrupts.ts';
import plugin, { strict } from '../../../plugins/interrupts/strict.ts';
import { decisionsOf } from '../../kit/interrupt-decisions.ts';

const ask = (kind: 'msi' | 'msix', current: InterruptType, old: number, next: number, allowed = true): boolean =>
  strict.allowsControlWord({ kind, current, old, next, allowed });

/** The rules once more, bit by bit and in the order of the specification. */
const model = ({ kind, current, old, next, allowed }: ControlWordQuestion): boolean => {
  if (next === old) return true;
  if (!allowed) return false;
  for (let bit = 0; bit < 16; bit++) {
    const changes = ((old >> bit) & 1) !== ((next >> bit) & 1);
    const may = kind === 'msi' ? bit === 0 : bit === 15 || bit === 14;
    if (changes && !may) return false;
  }
  const enabling = kind === 'msi' ? next % 2 === 1 : next >= 0x8000;
  if (!enabling) return true;
  return current === kind || current === 'none' || current === 'intx';
};

describe('interrupt policy strict', () => {
  it.each([
    ['enable from nothing', 'msi', 'none', 0x0000, 0x0001, true],
    ['enable while INTx is on', 'msi', 'intx', 0x0000, 0x0001, true],
    ['enable while the other kind is on', 'msi', 'msix', 0x0000, 0x0001, false],
    ['enable while both are on', 'msi', 'several', 0x0000, 0x0001, false],
    ['disable', 'msi', 'msi', 0x0001, 0x0000, true],
    ['disable while both are on', 'msi', 'several', 0x0001, 0x0000, true],
    ['more messages', 'msi', 'msi', 0x0001, 0x0011, false],
    ['enable and more messages', 'msi', 'none', 0x0000, 0x0011, false],
    ['the bit that is MSI-X’s', 'msi', 'none', 0x0000, 0x8000, false],
    ['enable', 'msix', 'intx', 0x0007, 0x8007, true],
    ['enable with function mask', 'msix', 'none', 0x0007, 0xc007, true],
    ['mask off while on', 'msix', 'msix', 0xc007, 0x8007, true],
    ['mask on while off, MSI on', 'msix', 'msi', 0x0007, 0x4007, true],
    ['enable while the other kind is on', 'msix', 'msi', 0x0007, 0x8007, false],
    ['the table size', 'msix', 'none', 0x0007, 0x0003, false],
    ['the bit that is MSI’s', 'msix', 'none', 0x0000, 0x0001, false],
  ] as const)('%s (%s)', (_case, kind, current, old, next, answer) => {
    expect(ask(kind, current, old, next)).toBe(answer);
    expect(ask(kind, current, old, next, false)).toBe(false);
  });

  it('nothing changes: yes, also without permission', () => {
    expect(ask('msi', 'several', 0x0081, 0x0081, false)).toBe(true);
    expect(ask('msix', 'msi', 0xc007, 0xc007, false)).toBe(true);
  });

  it('the decision table has every row and agrees with the rules', () => {
    const table = decisionsOf(strict);
    expect(table.controlWords.length).toBe(2 * 5 * 2 * 7 * 7);
    for (const { answer, ...question } of table.controlWords)
      expect({ question, answer }).toEqual({ question, answer: model(question) });
  });

  it('for every pair of control words of a few devices', () => {
    for (const kind of ['msi', 'msix'] as const) {
      for (const old of [0x0000, 0x0080, 0x0181, 0x8007, 0xc7ff]) {
        for (let next = 0; next <= 0xffff; next++) {
          const question = { kind, current: 'intx', old, next, allowed: true } as const;
          if (strict.allowsControlWord(question) !== model(question)) expect(question).toBe('decided as the rules say');
        }
      }
    }
  });

  it('INTX_DISABLE: with the permission as the guest likes, without it only in its own view', () => {
    for (const { allowed, answer } of decisionsOf(strict).intx) expect(answer).toBe(allowed ? 'hardware' : 'virtual');
  });

  it('requests through the ring are not refused', () => {
    expect(decisionsOf(strict).requests.filter(({ answer }) => answer !== undefined)).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'interrupts/strict', api: '^1.0' });
  });
});
