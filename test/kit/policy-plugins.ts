// SPDX-License-Identifier: MIT

import type { InterruptPolicySource } from '../../core/interrupts.ts';
import { definePlugin } from '../../core/plugin/index.ts';

/** A plugin that brings this interrupt policy under the name `mine`. */
export const policyPlugin = (source: InterruptPolicySource) =>
  definePlugin({
    name: 'test/policy',
    api: '^1.0',
    apply: (facade) => {
      facade.interrupts.add('mine', source);
    },
  });

/** A plugin with a policy `around` that is `mine` and nothing else. */
export const around = definePlugin({
  name: 'test/around',
  api: '^1.0',
  apply: (facade) => {
    facade.interrupts.add('around', ({ policy }) => policy('mine'));
  },
});
