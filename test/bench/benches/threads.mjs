// SPDX-License-Identifier: MIT
// Round trips between threads and processes.

import { join } from 'node:path';
import { figure, interleave } from '../measure.mjs';
import { startLane } from '../threads/lane.mjs';
import { startAnswerer } from '../threads/round-trips.mjs';
import { startSocket } from '../threads/socket.mjs';

const answerer = (name) => join(import.meta.dirname, '../threads', name);

/** Name, round trips of a full run, how to start it, and what it is compared with; nothing: it is a reference itself. */
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
  {
    name: 'pciback, both watch',
    trips: 1_000_000,
    start: () => startLane('spin'),
    beside: 'bare page, both spin',
  },
  {
    name: 'pciback, both sleep',
    trips: 100_000,
    start: () => startLane('wait'),
    beside: 'bare page, both sleep',
  },
  {
    name: 'unix socket, two processes',
    trips: 100_000,
    start: startSocket,
    beside: 'bare page, both sleep',
  },
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
    const figures = contestants.flatMap(({ name, beside }) =>
      ['p50', 'p90', 'p99'].map((q) =>
        figure(`${name}, ${q}`, 'µs', of(name, q), beside === undefined ? {} : { [`${beside}, ${q}`]: of(beside, q) }),
      ),
    );
    return {
      settings: { roundTrips: Object.fromEntries(contestants.map(({ name, trips }) => [name, trips])) },
      figures,
    };
  },
};
