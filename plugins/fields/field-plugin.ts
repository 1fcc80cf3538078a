// SPDX-License-Identifier: MIT

import { definePlugin, type FieldSet, type Plugin } from '../../core/plugin/index.ts';

/** A plugin that brings these sets of registers and nothing else. */
export const fieldPlugin = (name: `fields/${string}`, ...sets: readonly FieldSet[]): Plugin =>
  definePlugin({
    name,
    api: '^1.0',
    apply: (host) => {
      host.fields.add(...sets);
    },
  });
