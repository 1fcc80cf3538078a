// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import type { InterruptPolicy, InterruptType, IntxAnswer, IntxState, MessageKind } from '../../../core/interrupts.ts';
import { guestControlled } from '../../../plugins/interrupts/guest-controlled.ts';
import { guestControlled2020 } from '../../../plugins/interrupts/guest-controlled-2020.ts';
import { intxOnly } from '../../../plugins/interrupts/intx-only.ts';
import { msiOnly } from '../../../plugins/interrupts/msi-only.ts';
import { rateLimited } from '../../../plugins/interrupts/rate-limited.ts';
import { strict } from '../../../plugins/interrupts/strict.ts';
import { type Decisions, decisionsOf, rateLimitedDecisions } from '../../kit/interrupt-decisions.ts';
import { bundledPolicies } from './policies.ts';

const kinds = ['msi', 'msix'] as const;
const types = ['none', 'intx', 'msi', 'msix', 'several'] as const;
const states = ['enabled', 'disabled'] as const;
/** Control words of real devices and of none: each enable bit, the mask, the counts, the reserved bits. */
const words: Readonly<Record<MessageKind, readonly number[]>> = {
  msi: [0x0000, 0x0001, 0x0010, 0x0011, 0x0080, 0x0081, 0x0180, 0x0181, 0x4000, 0x8000, 0x8001, 0xffff],
  msix: [0x0000, 0x0001, 0x0004, 0x0007, 0x4004, 0x8004, 0xc004, 0x8000, 0xc000, 0xc005, 0x2004, 0xffff],
};
const enable: Readonly<Record<MessageKind, number>> = { msi: 0x0001, msix: 0x8000 };

/** A row of a table about control words; what is missing fits anything. The first row that fits decides. */
interface WordRow {
  readonly change?: 'nothing' | 'enable bit comes on' | { readonly beyond: Readonly<Record<MessageKind, number>> };
  readonly kind?: MessageKind;
  readonly allowed?: 'yes' | 'no';
  readonly enableBit?: 'clear';
  readonly current?: readonly (InterruptType | 'the same kind')[];
  readonly answer: 'yes' | 'no';
}

/** config-space.md §5.2, in its order. */
const linux61: readonly WordRow[] = [
  { change: 'nothing', answer: 'yes' },
  { allowed: 'no', answer: 'no' },
  { change: { beyond: { msi: 0x0001, msix: 0xc000 } }, answer: 'no' },
  { enableBit: 'clear', answer: 'yes' },
  { current: ['none', 'intx', 'the same kind'], answer: 'yes' },
  { answer: 'no' },
];

/** Seed 476878e4b2 as it was committed: (a) and (c). */
const original: readonly WordRow[] = [
  { change: 'nothing', answer: 'yes' },
  { allowed: 'no', answer: 'no' },
  { change: { beyond: { msi: 0x0001, msix: 0x8000 } }, answer: 'no' },
  { enableBit: 'clear', answer: 'yes' },
  { current: ['none', 'the same kind'], answer: 'yes' },
  { answer: 'no' },
];

interface IntxRow {
  readonly allowed?: 'yes' | 'no';
  readonly next?: IntxState;
  readonly current?: readonly InterruptType[];
  readonly answer: IntxAnswer;
}

/** config-space.md §4.1 step 4. */
const intx61: readonly IntxRow[] = [{ allowed: 'no', answer: 'virtual' }, { answer: 'hardware' }];

/** Seed 476878e4b2 as it was committed: (b). */
const intxOriginal: readonly IntxRow[] = [
  { allowed: 'no', answer: 'virtual' },
  { next: 'disabled', answer: 'hardware' },
  { current: ['none', 'intx'], answer: 'hardware' },
  { answer: 'refused' },
];

interface RequestRow {
  readonly kind?: MessageKind;
  readonly allowed?: 'yes' | 'no';
  readonly answer: 'yes' | 'refused';
}

interface Rules {
  readonly words: readonly WordRow[];
  readonly intx: readonly IntxRow[];
  readonly requests: readonly RequestRow[];
}

const never: WordRow = { change: 'enable bit comes on', answer: 'no' };
const open: readonly RequestRow[] = [{ answer: 'yes' }];

/** What each bundled policy answers, stated once more. */
const oracle: Readonly<Record<string, Rules>> = {
  strict: { words: linux61, intx: intx61, requests: open },
  'guest-controlled': {
    words: linux61,
    intx: intx61,
    requests: [{ allowed: 'yes', answer: 'refused' }, { answer: 'yes' }],
  },
  'guest-controlled-2020': { words: original, intx: intxOriginal, requests: open },
  'intx-only': { words: [never, ...linux61], intx: intx61, requests: [{ answer: 'refused' }] },
  'msi-only': {
    words: [{ ...never, kind: 'msix' }, ...linux61],
    intx: intx61,
    requests: [{ kind: 'msix', answer: 'refused' }, { answer: 'yes' }],
  },
  'rate-limited': { words: linux61, intx: intx61, requests: open },
};
const busy: Rules = { words: [never, ...linux61], intx: intx61, requests: [{ answer: 'refused' }] };

const changeFits = (row: WordRow, kind: MessageKind, old: number, next: number): boolean => {
  switch (row.change) {
    case undefined:
      return true;
    case 'nothing':
      return old === next;
    case 'enable bit comes on':
      return (old & enable[kind]) === 0 && (next & enable[kind]) !== 0;
    default:
      return ((old ^ next) & ~row.change.beyond[kind]) !== 0;
  }
};

const expectedWord = (
  rows: readonly WordRow[],
  kind: MessageKind,
  current: InterruptType,
  allowed: boolean,
  old: number,
  next: number,
): boolean => {
  const row = rows.find(
    (one) =>
      changeFits(one, kind, old, next) &&
      (one.kind ?? kind) === kind &&
      (one.allowed === undefined || (one.allowed === 'yes') === allowed) &&
      (one.enableBit === undefined || (next & enable[kind]) === 0) &&
      (one.current === undefined || one.current.includes(current === kind ? 'the same kind' : current)),
  );
  return row?.answer === 'yes';
};

const fits = (row: { readonly allowed?: 'yes' | 'no' }, allowed: boolean): boolean =>
  row.allowed === undefined || (row.allowed === 'yes') === allowed;

/** Walks every question; a list of those that are answered otherwise than the rules say. */
const disagreements = (make: () => InterruptPolicy, rules: Rules): unknown[] => {
  const wrong: unknown[] = [];
  const note = (question: object, answer: unknown, expected: unknown): void => {
    if (answer !== expected) wrong.push({ ...question, answer, expected });
  };
  for (const current of types) {
    for (const allowed of [false, true]) {
      for (const kind of kinds) {
        for (const old of words[kind]) {
          for (const next of words[kind]) {
            const question = { kind, current, old, next, allowed };
            const expected = expectedWord(rules.words, kind, current, allowed, old, next);
            note(question, make().allowsControlWord(question), expected);
          }
        }
        const request = { kind, current, vectors: 1, allowed };
        const row = rules.requests.find((one) => (one.kind ?? kind) === kind && fits(one, allowed));
        note(request, make().refusesRequest?.(request) === undefined ? 'yes' : 'refused', row?.answer);
      }
      for (const old of states) {
        for (const next of states) {
          const question = { current, old, next, allowed };
          const row = rules.intx.find(
            (one) =>
              fits(one, allowed) &&
              (one.next ?? next) === next &&
              (one.current === undefined || one.current.includes(current)),
          );
          note(question, make().decidesIntx?.(question), row?.answer);
        }
      }
    }
  }
  return wrong;
};

const policies = await bundledPolicies();
const policy = (name: string): (() => InterruptPolicy) => {
  const made = policies.get(name);
  if (made === undefined) throw new Error(`no plugin brings ${name}`);
  return made;
};

describe('decision tables of the interrupt policies', () => {
  it('every bundled policy has rules here', () => {
    expect([...policies.keys()].sort()).toEqual(Object.keys(oracle).sort());
  });

  it('today’s rule set: (flag, current type, old word, new word) to result (seed 476878e4b2)', () => {
    expect(disagreements(policy('strict'), { words: linux61, intx: intx61, requests: open })).toEqual([]);
  });

  it('the rule set of 2020: (flag, current type, old word, new word) to result (seed 476878e4b2)', () => {
    const rules = { words: original, intx: intxOriginal, requests: open };
    expect(disagreements(policy('guest-controlled-2020'), rules)).toEqual([]);
  });

  it.each(Object.keys(oracle))('%s answers every question as its rows say', (name) => {
    const rules = oracle[name];
    expect(rules && disagreements(policy(name), rules)).toEqual([]);
  });

  it('rate-limited, around a guest that is not calm', () => {
    const tired = (): InterruptPolicy => {
      const made = rateLimited(strict, { changes: 1, seconds: 1 }, { now: () => 0 });
      expect(made.refusesRequest?.({ kind: 'msi', current: 'none', vectors: 1, allowed: false })).toBeUndefined();
      return made;
    };
    expect(disagreements(tired, busy)).toEqual([]);
  });

  it('every one of them says beforehand what it answers without the permission', () => {
    for (const make of policies.values()) {
      expect(make()).toMatchObject({ controlWordsUnlessAllowed: 'refused', intxUnlessAllowed: 'virtual' });
    }
  });

  it('what they say of INTX_DISABLE is what they would answer', () => {
    for (const [name, make] of policies) {
      const answers = decisionsOf(make).intx.filter(({ allowed }) => !allowed);
      expect([name, [...new Set(answers.map(({ answer }) => answer))]]).toEqual([name, ['virtual']]);
    }
  });

  it('rate-limited says beforehand what the policy inside says, no more', () => {
    const limited = (inner: InterruptPolicy) => rateLimited(inner, { changes: 1, seconds: 1 }, { now: () => 0 });
    const said = { controlWordsUnlessAllowed: 'asked', intxUnlessAllowed: 'asked' } as const;
    expect(limited(strict)).toMatchObject({
      controlWordsUnlessAllowed: 'refused',
      intxUnlessAllowed: 'virtual',
    });
    expect(limited({ ...strict, ...said })).toMatchObject(said);
    const silent = limited({ allowsControlWord: () => true });
    for (const word of Object.keys(said)) expect(silent).not.toHaveProperty(word);
  });

  it('the walk finds a policy that breaks a rule', () => {
    const lax: InterruptPolicy = { ...strict, allowsControlWord: ({ allowed }) => allowed };
    expect(disagreements(() => lax, oracle.strict as Rules).length).toBeGreaterThan(100);
    expect(disagreements(policy('strict'), oracle['guest-controlled-2020'] as Rules).length).toBeGreaterThan(10);
  });
});

describe('the tables that the policies generate', () => {
  const tables: readonly (readonly [string, Decisions, Rules | undefined])[] = [
    ['strict', decisionsOf(strict), oracle.strict],
    ['guest-controlled', decisionsOf(guestControlled), oracle['guest-controlled']],
    ['guest-controlled-2020', decisionsOf(guestControlled2020), oracle['guest-controlled-2020']],
    ['intx-only', decisionsOf(intxOnly), oracle['intx-only']],
    ['msi-only', decisionsOf(msiOnly), oracle['msi-only']],
    ['rate-limited, calm', rateLimitedDecisions(strict).calm, oracle['rate-limited']],
    ['rate-limited, busy', rateLimitedDecisions(strict).busy, busy],
  ];

  it.each(tables)('%s: every row once, and as the rules say', (_name, table, rules) => {
    expect([table.controlWords.length, table.intx.length, table.requests.length]).toEqual([2 * 5 * 2 * 49, 40, 20]);
    const questions = [...table.controlWords, ...table.intx, ...table.requests].map(({ answer, ...one }) => one);
    expect(new Set(questions.map((one) => JSON.stringify(one))).size).toBe(questions.length);
    if (rules === undefined) throw new Error('no rules');
    for (const { kind, current, allowed, old, next, answer } of table.controlWords) {
      expect({ kind, current, allowed, old, next, answer }).toEqual({
        ...{ kind, current, allowed, old, next },
        answer: expectedWord(rules.words, kind, current, allowed, old, next),
      });
    }
    for (const { kind, allowed, answer } of table.requests) {
      const row = rules.requests.find((one) => (one.kind ?? kind) === kind && fits(one, allowed));
      expect(answer === undefined ? 'yes' : 'refused').toBe(row?.answer);
    }
  });
});
