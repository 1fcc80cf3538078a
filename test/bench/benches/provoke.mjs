// SPDX-License-Identifier: MIT
// What guests can make the host say and do, and what another guest notices of it. Each case runs in a process of its own,
// so that none inherits the heap of another.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { figure } from '../measure.mjs';
import { provocations } from './provocations.mjs';

const measure = (kind, guests, seconds) =>
  new Promise((resolve, reject) => {
    const script = join(import.meta.dirname, 'provoke-guests.mjs');
    const child = spawn(process.execPath, ['--expose-gc', script, kind, String(guests), String(seconds)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      out += text;
    });
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(JSON.parse(out.trim().split('\n').at(-1)));
      else reject(new Error(`${guests} guests, "${kind}": the process ended with ${status}`));
    });
  });

export default {
  name: 'provoke',
  summary: 'lines of the log that guests cause, and what another guest notices of it',
  run: async ({ quick }) => {
    const counts = quick ? [1, 16] : [1, 256];
    const seconds = quick ? 1 : 60;
    const figures = [];
    for (const kind of Object.keys(provocations)) {
      for (const guests of counts) {
        const name = guests === 1 ? `a guest ${kind}` : `each of ${guests} guests ${kind}`;
        const seen = await measure(kind, guests, seconds);
        figures.push(
          figure(`${name}: lines`, '1/s', [seen.linesPerSecond], { 'acts of the guests': [seen.actsPerSecond] }),
          figure(`${name}: memory`, 'KiB', [seen.grownKiB]),
          figure(`${name}: another's read, p50`, 'µs', [seen.p50], { quiet: [seen.quietP50] }),
          figure(`${name}: another's read, p99`, 'µs', [seen.p99], { quiet: [seen.quietP99] }),
        );
      }
    }
    return {
      settings: { seconds },
      figures,
      notes: [
        'Guests and daemon share a thread: what the guests themselves cost is in the times too, which are processor time.',
        'One thing is done in each turn of the event loop, by the guests in turn. Lines of level debug are off.',
      ],
    };
  },
};
