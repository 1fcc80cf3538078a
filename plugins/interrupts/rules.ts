// SPDX-License-Identifier: MIT

import type {
  ControlWordQuestion,
  InterruptPolicy,
  InterruptType,
  IntxAnswer,
  IntxQuestion,
  MessageKind,
} from '../../core/plugin/index.ts';

interface ControlWord {
  readonly enable: number;
  /** MSI-X only: masks all vectors at once. */
  readonly functionMask: number;
}

/** Message control of MSI (enable) and of MSI-X (enable, function mask). */
export const controlWords: Readonly<Record<MessageKind, ControlWord>> = {
  msi: { enable: 0x0001, functionMask: 0 },
  msix: { enable: 0x8000, functionMask: 0x4000 },
};

/** Whether the write switches the kind on that was off. */
export const switchesOn = ({ kind, old, next }: ControlWordQuestion): boolean =>
  (~old & next & controlWords[kind].enable) !== 0;

/** A rule set for control words: which bits may change, and from which types the enable bit may be written as one. */
const controlWordRule =
  (changeable: (word: ControlWord) => number, from: readonly InterruptType[]) =>
  ({ kind, current, old, next, allowed }: ControlWordQuestion): boolean => {
    const change = old ^ next;
    if (change === 0) return true;
    const word = controlWords[kind];
    if (!allowed || (change & ~changeable(word)) !== 0) return false;
    return (next & word.enable) === 0 || current === kind || from.includes(current);
  };

/**
 * Whether a config write may change a control word, by the rules of Linux 6.1; the first row that fits decides.
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
export const allowsControlWord = controlWordRule(({ enable, functionMask }) => enable | functionMask, ['none', 'intx']);

/** The same question by the rules of 2020 (seed 476878e4b2): the enable bit only, and INTx has to be off before. */
export const allowsControlWord2020 = controlWordRule(({ enable }) => enable, ['none']);

/** INTX_DISABLE by the rules of Linux 6.1: as the guest likes, with the permission. */
const decidesIntx = ({ allowed }: IntxQuestion): IntxAnswer => (allowed ? 'hardware' : 'virtual');

/** The rules of Linux 6.1 for both; what is not allowed is known without asking. */
export const linux61 = {
  allowsControlWord,
  controlWordsUnlessAllowed: 'refused',
  decidesIntx,
  intxUnlessAllowed: 'virtual',
} as const satisfies InterruptPolicy;

/** INTX_DISABLE by the rules of 2020: INTx comes on only while neither MSI nor MSI-X is, and goes off always. */
export const decidesIntx2020 = ({ current, next, allowed }: IntxQuestion): IntxAnswer => {
  if (!allowed) return 'virtual';
  return next === 'disabled' || current === 'none' || current === 'intx' ? 'hardware' : 'refused';
};
