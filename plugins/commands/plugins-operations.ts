// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { inventoryOf, type PluginInventory } from '../inventory.ts';
import { type OperationsOf, operation } from '../kinds/part.ts';

export const operations = {
  plugins: operation({
    about: 'What is loaded, what it brings and taps, and how it does.',
    asks: z.strictObject({}),
    answer: (_asked, { engine }): PluginInventory => inventoryOf(engine.plugins),
  }),
};

export type PluginOperations = OperationsOf<typeof operations>;
