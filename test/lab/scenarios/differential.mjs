// SPDX-License-Identifier: MIT
// The same scripts of config accesses under the kernel's back end and under the daemon, each from a fresh boot; every
// answer is compared.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, differences, explain, isComplete, operationsIn } from '../differential/compare.mjs';
import { rules } from '../differential/rules.mjs';

export const summary =
  'scripts of config accesses, answered by the kernel and by the daemon: every difference is explained';
export const options = 'operations=7200|1200|24000 seeds=3|1|5 fields=kernel|full';

/** Most unexplained differences that are printed; all are in the log folder. */
const SHOWN = 20;

async function record(boot, backend, seed, chosen) {
  const run = { backend, seed: String(seed), operations: chosen.get('operations'), fields: chosen.get('fields') };
  const { status, logs } = await boot('config-script', run);
  const text = readFileSync(join(logs, 'guest-u1.log'), 'utf8');
  const operations = operationsIn(text);
  return { operations, logs, complete: status === 0 && isComplete(text, operations) };
}

export async function run({ options: chosen, boot, say }) {
  const totals = new Map(rules.map((rule) => [rule.id, 0]));
  const unexplained = [];
  let compared = 0;
  let incomplete = 0;
  const devices = new Set();
  for (let seed = 1; seed <= Number(chosen.get('seeds')); seed++) {
    const kernel = await record(boot, 'kernel', seed, chosen);
    const ours = await record(boot, 'pciback', seed, chosen);
    if (!kernel.complete || !ours.complete) incomplete++;
    for (const operation of kernel.operations) devices.add(operation.device);
    const found = differences(kernel.operations, ours.operations);
    const result = explain(found, rules);
    for (const [id, count] of result.counts) totals.set(id, (totals.get(id) ?? 0) + count);
    unexplained.push(...result.unexplained);
    compared += Math.min(kernel.operations.length, ours.operations.length);
    writeFileSync(join(ours.logs, 'differences.txt'), `${found.map(describe).join('\n')}\n`);
    say(
      `seed ${seed}: ${kernel.operations.length} operations, ${found.length} differences, ${result.unexplained.length} unexplained`,
    );
  }
  for (const difference of unexplained.slice(0, SHOWN)) console.log(`not ok - ${describe(difference)}`);
  for (const [id, count] of totals) say(`deviation ${id}: ${count} times`);
  const unused = [...totals].filter(([, count]) => count === 0).map(([id]) => id);
  const checks = [
    [`every script went to its end`, incomplete === 0],
    [
      `${compared} operations on ${devices.size} devices: ${unexplained.length} unexplained differences`,
      unexplained.length === 0 && compared > 0,
    ],
    [`every deviation occurred${unused.length > 0 ? `, except ${unused.join(', ')}` : ''}`, unused.length === 0],
  ];
  for (const [text, ok] of checks) console.log(`${ok ? 'ok' : 'not ok'} - ${text}`);
  return { passed: checks.filter(([, ok]) => ok).length, failed: checks.filter(([, ok]) => !ok).length };
}
