// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { fail } from '../errors.ts';
import { type OperationsOf, operation, type PartContext } from '../kinds/part.ts';
import { HAND_OVER, type HandOver, type HandOverState } from '../program/hand-over.ts';

const handOverOf = ({ part }: Pick<PartContext<unknown>, 'part'>): HandOver =>
  (part(HAND_OVER) as HandOver | undefined) ??
  fail('UPGRADE_REFUSED', { why: 'this pciback runs inside of another program' });

export const operations = {
  upgrade: operation({
    about: 'Starts the installed version beside this one, which lets go of its guests when that is ready.',
    asks: z.strictObject({}),
    answer: (_asked, context): Promise<HandOverState> => {
      // What the new one could not know would be lost to the guests.
      if (context.part('journal') === undefined) fail('UPGRADE_REFUSED', { why: 'no journal is kept' });
      return Promise.resolve(handOverOf(context).begin(context.engine));
    },
  }),
  'upgrade-state': operation({
    about: 'How far an upgrade is.',
    asks: z.strictObject({}),
    answer: (_asked, context): Promise<HandOverState> => Promise.resolve(handOverOf(context).state),
  }),
};

export type UpgradeOperations = OperationsOf<typeof operations>;
