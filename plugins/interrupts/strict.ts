// SPDX-License-Identifier: MIT

import {
  type ControlWordQuestion,
  definePlugin,
  type InterruptPolicy,
  type InterruptType,
} from '../../core/plugin/index.ts';

interface ControlWordRule {
  readonly enable: number;
  /** Bits that may change at all. */
  readonly changeable: number;
}

/** Message control of MSI (enable) and of MSI-X (enable, function mask). */
const rules: Readonly<Record<'msi' | 'msix', ControlWordRule>> = {
  msi: { enable: 0x0001, changeable: 0x0001 },
  msix: { enable: 0x8000, changeable: 0xc000 },
};

/**
 * Whether a config write may change a control word; the first row that fits decides.
 *
 * | the write | allow_interrupt_control | current type | answer |
 * |---|---|---|---|
 * | changes nothing | any | any | yes |
 * | changes something | no | any | no |
 * | changes a bit other than MSI 0x0001, MSI-X 0xc000 | yes | any | no |
 * | leaves the enable bit clear | yes | any | yes |
 * | has the enable bit | yes | none, INTx, or the same kind | yes |
 * | has the enable bit | yes | the other kind, or both on | no |
 */
export const allowsControlWord = ({ kind, current, old, next, allowed }: ControlWordQuestion): boolean => {
  const change = old ^ next;
  if (change === 0) return true;
  const { enable, changeable } = rules[kind];
  if (!allowed || (change & ~changeable) !== 0) return false;
  if ((next & enable) === 0) return true;
  return current === 'none' || current === 'intx' || current === kind;
};

/** One row of the decision table. */
export interface Decision extends ControlWordQuestion {
  readonly answer: boolean;
}

const kinds = ['msi', 'msix'] as const;
const types: readonly InterruptType[] = ['none', 'intx', 'msi', 'msix', 'several'];

/**
 * Every decision, for tests and documents: each kind, current type, permission, and each pair of old and new values of
 * the bits that matter (enable, function mask, and one bit that may never change).
 */
export const decisionTable = (): Decision[] => {
  const values = [0x0000, 0x0001, 0x0010, 0x0011, 0x4000, 0x8000, 0xc000];
  return kinds.flatMap((kind) =>
    types.flatMap((current) =>
      [false, true].flatMap((allowed) =>
        values.flatMap((old) =>
          values.map((next) => {
            const question = { kind, current, old, next, allowed };
            return { ...question, answer: allowsControlWord(question) };
          }),
        ),
      ),
    ),
  );
};

/** The rules of Linux 6.1: config writes only with the administrator's permission, requests through the ring always. */
export const strict: InterruptPolicy = { allowsControlWord };

export default definePlugin({
  name: 'interrupts/strict',
  api: '^1.0',
  apply: (host) => {
    host.interrupts.add('strict', strict);
  },
});
