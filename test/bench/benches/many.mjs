// SPDX-License-Identifier: MIT
// Many guests with one device each, in one process. Each number of guests is measured in a process of its own, so that
// none inherits the heap of another. The guests live in that process too: what they cost is told apart as well as it can
// be, see `many-guests.mjs`.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { figure } from '../measure.mjs';

const COUNTS = { quick: [1, 16], full: [1, 16, 256] };

/** Runs the measuring process; its last line is the result. */
const measure = (guests, idleSeconds, busySeconds) =>
  new Promise((resolve, reject) => {
    const script = join(import.meta.dirname, 'many-guests.mjs');
    const child = spawn(
      process.execPath,
      ['--expose-gc', script, String(guests), String(idleSeconds), String(busySeconds)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      out += text;
    });
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(JSON.parse(out.trim().split('\n').at(-1)));
      else reject(new Error(`the process with ${guests} guests ended with ${status}`));
    });
  });

export default {
  name: 'many',
  summary: 'many guests with one device each: memory, idle load, latency at 100 requests a second each, fairness',
  run: async ({ quick, rounds }) => {
    // Each process is new, so there is no round that only warms up.
    const times = quick ? 1 : Math.min(rounds, 3);
    const counts = quick ? COUNTS.quick : COUNTS.full;
    const [idle, busy] = quick ? [1, 1] : [5, 3];
    const results = new Map([0, ...counts].map((guests) => [guests, []]));
    for (let round = 0; round < times; round++) {
      for (const [guests, measured] of results) measured.push(await measure(guests, idle, busy));
    }
    const of = (guests, member) => results.get(guests).map((one) => one[member]);
    const figures = [];
    for (const guests of counts) {
      const name = `${guests} guest${guests === 1 ? '' : 's'}`;
      figures.push(
        figure(`${name}, idle`, '% of a core', of(guests, 'idlePercent'), { 'no guest, idle': of(0, 'idlePercent') }),
        figure(`${name}, memory per guest`, 'KiB', of(guests, 'perGuest'), {
          'of it given back by the back end': of(guests, 'perBackend'),
        }),
      );
      for (const q of ['p50', 'p99', 'max']) {
        figures.push(
          figure(
            `${name}, latency ${q}`,
            'µs',
            of(guests, q),
            guests === 1 ? {} : { [`1 guest, latency ${q}`]: of(1, q) },
          ),
        );
      }
      figures.push(
        figure(`${name}, most served / least served`, 'ratio', of(guests, 'unfairness')),
        figure(`${name}, back ends at work`, '% of a core', of(guests, 'backendPercent'), {
          'the whole process': of(guests, 'busyPercent'),
        }),
      );
    }
    return {
      settings: { requestsPerGuestAndSecond: 100, idleSeconds: idle, busySeconds: busy },
      figures,
      notes: [
        'Guests and daemon share a process. "back ends at work" is the time inside their event handlers; the rest of the',
        'process is the guests, the embedded hypervisor and node. Latency counts from the time a request was due.',
      ],
    };
  },
};
