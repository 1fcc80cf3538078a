// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { z } from 'zod';
import { formatBdf } from '../../core/bdf.ts';
import { definePlugin } from '../../core/plugin/index.ts';
import { operation } from '../../plugins/kinds/part.ts';

/** What the hooks of this plugin do, by the address of the device. */
type Moods = Readonly<Record<string, 'nothing' | 'throws' | 'hangs' | 'blocks'>>;

/** Milliseconds for which a hook that blocks holds the control loop. */
const BLOCK_MS = 200;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const block = (): void => {
  const end = performance.now() + BLOCK_MS;
  while (performance.now() < end);
};

const operations = {
  'soak-memory': operation({
    about: 'What the process takes, after a collection.',
    asks: z.strictObject({}),
    answer: () => {
      collect();
      const { rss, heapUsed, external } = process.memoryUsage();
      return { pid: process.pid, rss, heapUsed, external };
    },
  }),
};

/** Hooks that do what a file says: nothing, throw, never settle, or hold the loop for a while. */
export default definePlugin({
  name: 'soak/tester',
  api: '^1.0',
  options: z.strictObject({ mood: z.string() }),
  apply: (host, { mood: file }) => {
    const act = async (bdf: string): Promise<void> => {
      const does = (JSON.parse(readFileSync(file, 'utf8')) as Moods)[bdf];
      if (does === 'throws') throw new Error('as the file says');
      if (does === 'hangs') await new Promise(() => undefined);
      if (does === 'blocks') block();
    };
    host.hooks.deviceAssigned.tap(({ bdf }) => act(formatBdf(bdf)));
    host.hooks.deviceReturned.tap(({ bdf }) => act(formatBdf(bdf)));
    host.parts.add('soak-tester', { about: 'Tells what the process takes.', operations, start: () => ({}) });
  },
});
