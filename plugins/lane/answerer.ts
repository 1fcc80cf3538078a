// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { AnswererFactory } from '../kinds/answerer.ts';
import { Lane } from './lane.ts';

export const startLane: AnswererFactory = (terms) => new Lane(terms);

/** A thread beside the control thread answers guests, where the platform can have one. */
export default definePlugin({
  name: 'lane/answerer',
  api: '^1.0',
  apply: (host) => {
    host.answerers.add('lane', startLane);
  },
});
