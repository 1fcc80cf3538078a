// SPDX-License-Identifier: MIT
// What a read costs as registers and plugins are added: the table is compiled, so it should cost the same.

import { figure, interleave, nanoseconds, warm } from '../measure.mjs';
import { built } from '../package-under-test.mjs';
import { dispatcherOn, idlePlugins, Place, quirksWithFields, startHost } from '../world.mjs';
import { hookWalk } from './naive-hooks.mjs';
import { requestLoop } from './request-loop.mjs';

const { Command } = await built('core/ring/layout.js');
const READ = { cmd: Command.confRead, offsets: Place.shown };

const FIELDS = [0, 20, 200, 2000];
const PLUGINS = [0, 100, 1000];

export default {
  name: 'fields',
  summary: 'a read with 0 to 2,000 quirk fields and 0 to 1,000 plugins loaded',
  run: async ({ quick, rounds }) => {
    const worlds = [
      ...FIELDS.map((count) => ({
        name: `read, ${count} quirk fields`,
        count,
        base: 'read, 0 quirk fields',
        plugins: quirksWithFields(count),
      })),
      ...PLUGINS.map((count) => ({
        name: `read, ${count} more plugins`,
        count,
        base: 'read, 0 more plugins',
        plugins: idlePlugins(count),
      })),
    ];
    const ends = [];
    const loops = {};
    for (const { name, plugins } of worlds) {
      const host = await startHost({ plugins });
      const { dispatcher, giveBack } = await dispatcherOn(host);
      loops[name] = requestLoop(dispatcher, READ);
      ends.push(async () => {
        await giveBack();
        await host.close();
      });
    }
    const counts = [...new Set([...FIELDS, ...PLUGINS])].sort((a, b) => a - b);
    const walks = Object.fromEntries(
      counts.map((count) => [`hook walk, ${Math.max(1, count)} taps`, requestLoop(hookWalk(count), READ)]),
    );
    const calls = quick ? 200_000 : 1_000_000;
    warm(Object.values(loops), 50_000);
    warm(Object.values(walks), 2_000);
    const times = await interleave(rounds, {
      ...Object.fromEntries(Object.entries(loops).map(([name, loop]) => [name, nanoseconds(loop, calls)])),
      // A walk over 2,000 taps takes microseconds; a tenth of a second of it is enough.
      ...Object.fromEntries(
        Object.entries(walks).map(([name, loop]) => [name, nanoseconds(loop, Math.min(calls, 20_000))]),
      ),
    });
    for (const end of ends) await end();
    const figures = worlds.map(({ name, count, base }) => {
      const walk = `hook walk, ${Math.max(1, count)} taps`;
      return figure(name, 'ns', times.get(name), {
        ...(base === name ? {} : { [base]: times.get(base) }),
        [walk]: times.get(walk),
      });
    });
    return { settings: { calls }, figures };
  },
};
