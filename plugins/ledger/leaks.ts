// SPDX-License-Identifier: MIT

import { formatBdf } from '../../core/bdf.ts';
import type { Holding } from '../../core/platform/index.ts';
import { problem } from '../errors.ts';
import type { PartContext } from '../kinds/part.ts';
import { holdingText } from './operations.ts';

/** Says at each return what should have been given back and was not. */
export class Leaks {
  /** While the part runs. */
  context: PartContext | undefined;
  found = 0;

  /** The guest's page and channel have just been given back. */
  guestGone(domain: number): void {
    this.#check(`the connection of domain ${domain} has ended`, (one) => isOf(one, domain) && one.kind !== 'pirq');
  }

  /** The device has just come back. */
  deviceBack(bdf: number, domain: number): void {
    const name = formatBdf(bdf as Parameters<typeof formatBdf>[0]);
    const isIts = (one: Holding): boolean => isOf(one, domain) && one.kind === 'pirq' && one.what.startsWith(name);
    this.#check(`${name} has come back from domain ${domain}`, isIts);
  }

  /** All guests have been ended, or left to a next process: PIRQs stay mapped then. */
  allGone(): void {
    const areLeft = (this.context?.engine.guests().length ?? 0) > 0;
    const isLeak = ({ domain, kind }: Holding): boolean => domain !== undefined && !(areLeft && kind === 'pirq');
    this.#check(areLeft ? 'all guests have been left' : 'all guests have been ended', isLeak);
  }

  #check(when: string, isLeft: (holding: Holding) => boolean): void {
    const { context } = this;
    const left = (context?.engine.platform.held?.() ?? []).filter(isLeft).map(holdingText);
    if (context === undefined || left.length === 0) return;
    this.found += left.length;
    const { code, message, solve } = problem('LEAK', { when, held: left });
    context.log.error({ code, why: message, solve }, 'something was not given back');
  }
}

const isOf = (one: Holding, domain: number): boolean => one.domain === domain;
