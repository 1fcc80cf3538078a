// SPDX-License-Identifier: MIT

import { definePlugin, type InterruptPolicy, type Plugin } from '../../core/plugin/index.ts';

/** A plugin that brings one policy without state and nothing else; `strict` is the plugin `interrupts/strict`. */
export const policyPlugin = (name: string, policy: InterruptPolicy): Plugin =>
  definePlugin({
    name: `interrupts/${name}`,
    api: '^1.0',
    apply: (host) => {
      host.interrupts.add(name, policy);
    },
  });
