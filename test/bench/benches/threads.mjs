// SPDX-License-Identifier: MIT
// Round trips between threads and processes. An answerer of pciback's own is one more line of `contestants`.

import { join } from 'node:path';
import { figure, interleave } from '../measure.mjs';
import { startAnswerer } from '../threads/round-trips.mjs';
import { startSocket } from '../threads/socket.mjs';

const answerer = (name) => join(import.meta.dirname, '../threads', name);

/** Name, round trips of a full run, and how to start it; the first one of a mode is the reference of the others. */
const contestants = [
  {
    name: 'bare page, both spin',
    trips: 1_000_000,
    start: () => startAnswerer(answerer('bare-answerer.mjs'), 'spin'),
  },
  {
    name: 'bare page, both sleep',
    trips: 100_000,
    start: () => startAnswerer(answerer('bare-answerer.mjs'), 'wait'),
  },
  { name: 'unix socket, two processes', trips: 100_000, start: startSocket },
];

export default {
  name: 'threads',
  summary: 'a request and its answer between two threads, and between two processes',
  run: async ({ quick, rounds }) => {
    const parts = new Map(contestants.map(({ name }) => [name, []]));
    await interleave(
      rounds,
      Object.fromEntries(
        contestants.map(({ name, trips, start }) => [
          name,
          async () => {
            // Only one of them runs at a time: one that spins takes a whole core.
            const running = await start();
            try {
              const count = Math.ceil(trips / (quick ? 50 : 1) / rounds);
              await running.measure(Math.min(2000, count));
              parts.get(name).push(await running.measure(count));
            } finally {
              await running.close();
            }
            return 0;
          },
        ]),
      ),
    );
    const of = (name, q) =>
      parts
        .get(name)
        .slice(1)
        .map((one) => one[q]);
    const [first] = contestants;
    const figures = contestants.flatMap(({ name }) =>
      ['p50', 'p90', 'p99'].map((q) =>
        figure(
          `${name}, ${q}`,
          'µs',
          of(name, q),
          name === first.name ? {} : { [`${first.name}, ${q}`]: of(first.name, q) },
        ),
      ),
    );
    return {
      settings: { roundTrips: Object.fromEntries(contestants.map(({ name, trips }) => [name, trips])) },
      figures,
    };
  },
};
