// SPDX-License-Identifier: MIT
// What is left of guests that came and went, each with a domain id of its own: nothing should be. One process does all of it.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { figure } from '../measure.mjs';

const COUNTS = { quick: [100, 200, 400], full: [1000, 10_000, 100_000] };

/** Runs the measuring process. @returns what it printed, count by count */
const measure = (counts) =>
  new Promise((resolve, reject) => {
    const script = join(import.meta.dirname, 'churn-guests.mjs');
    const child = spawn(process.execPath, ['--expose-gc', script, ...counts.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      out += text;
    });
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0)
        resolve(
          out
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line)),
        );
      else reject(new Error(`the process ended with ${status}`));
    });
  });

export default {
  name: 'churn',
  summary: 'what is left of guests that came and went',
  run: async ({ quick }) => {
    const [first, ...later] = await measure(quick ? COUNTS.quick : COUNTS.full);
    const name = `${first.count} guests`;
    const figures = later.flatMap((seen) => [
      figure(`heap after ${seen.count} guests`, 'KiB', [seen.heapKiB], { [name]: [first.heapKiB] }),
      figure(`descriptors after ${seen.count} guests`, 'count', [seen.descriptors], { [name]: [first.descriptors] }),
      figure(`held for guests and known after ${seen.count}`, 'count', [seen.held + seen.guests]),
      figure(`nodes of the store after ${seen.count} guests`, 'count', [seen.nodes], { [name]: [first.nodes] }),
    ]);
    return {
      settings: { devicesPerGuest: 2 },
      figures,
      notes: ['Each guest is attached, reads once, is refused a write, and is destroyed by the toolstack.'],
    };
  },
};
