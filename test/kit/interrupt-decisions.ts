// SPDX-License-Identifier: MIT

import type {
  ControlWordQuestion,
  InterruptPolicy,
  InterruptType,
  IntxAnswer,
  IntxQuestion,
  IntxState,
  MessageKind,
  RequestQuestion,
} from '../../core/plugin/index.ts';
import { rateLimited } from '../../plugins/interrupts/rate-limited.ts';

/** Every decision of a policy, with its questions. */
export interface Decisions {
  readonly controlWords: readonly (ControlWordQuestion & { readonly answer: boolean })[];
  readonly intx: readonly (IntxQuestion & { readonly answer: IntxAnswer })[];
  readonly requests: readonly (RequestQuestion & { readonly answer: string | undefined })[];
}

export const messageKinds: readonly MessageKind[] = ['msi', 'msix'];
export const interruptTypes: readonly InterruptType[] = ['none', 'intx', 'msi', 'msix', 'several'];
const intxStates: readonly IntxState[] = ['enabled', 'disabled'];
/** Values of the bits that matter: both enable bits, the function mask, and one bit that may never change. */
const words = [0x0000, 0x0001, 0x0010, 0x0011, 0x4000, 0x8000, 0xc000];

const controlWordQuestions: readonly ControlWordQuestion[] = messageKinds.flatMap((kind) =>
  interruptTypes.flatMap((current) =>
    [false, true].flatMap((allowed) =>
      words.flatMap((old) => words.map((next) => ({ kind, current, old, next, allowed }))),
    ),
  ),
);

const intxQuestions: readonly IntxQuestion[] = interruptTypes.flatMap((current) =>
  [false, true].flatMap((allowed) =>
    intxStates.flatMap((old) => intxStates.map((next) => ({ current, old, next, allowed }))),
  ),
);

const requestQuestions: readonly RequestQuestion[] = messageKinds.flatMap((kind) =>
  interruptTypes.flatMap((current) =>
    [false, true].map((allowed) => ({ kind, current, vectors: kind === 'msi' ? 1 : 3, allowed })),
  ),
);

/**
 * Every decision of a policy: each kind, current type, permission, and each pair of old and new values of the bits that
 * matter. A policy with state is made anew for each question.
 */
export const decisionsOf = (policy: InterruptPolicy | (() => InterruptPolicy)): Decisions => {
  const ask = typeof policy === 'function' ? policy : () => policy;
  return {
    controlWords: controlWordQuestions.map((one) => ({ ...one, answer: ask().allowsControlWord(one) })),
    intx: intxQuestions.map((one) => ({
      ...one,
      answer: ask().decidesIntx?.(one) ?? (one.allowed ? 'hardware' : 'virtual'),
    })),
    requests: requestQuestions.map((one) => ({ ...one, answer: ask().refusesRequest?.(one) })),
  };
};

/** Every decision around a policy for a guest that is calm, and for one that is not. */
export const rateLimitedDecisions = (
  inner: InterruptPolicy,
): { readonly calm: Decisions; readonly busy: Decisions } => {
  const fresh = (): InterruptPolicy => rateLimited(inner, { changes: 1, seconds: 1 }, { now: () => 0 });
  const tired = (): InterruptPolicy => {
    const policy = fresh();
    policy.refusesRequest?.({ kind: 'msi', current: 'none', vectors: 1, allowed: true });
    policy.refusesRequest?.({ kind: 'msi', current: 'none', vectors: 1, allowed: false });
    return policy;
  };
  return { calm: decisionsOf(fresh), busy: decisionsOf(tired) };
};
