// SPDX-License-Identifier: MIT
// npm run soak -- --help

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { compileFor } from '../survive/compile.mjs';

const HELP = `npm run soak -- [options]

Guests ask without pause and know what each answer has to be; others come and go, and are hostile; and whatever can go wrong
with host, process, plugins and devices goes wrong at random. One line a minute. Status 0: nothing was as it must not be.

  --minutes N      how long (60)
  --seed N         the same faults in the same order, as far as time allows; printed by each run
  --stretch N      guests wait that many times longer: for a machine that is busy with other things (1)
  --plot FILE      draws the memory of the process that served, as SVG
  --json FILE      writes the samples of it
  --dist FOLDER    the built package (dist)
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 1e6)) },
    stretch: { type: 'string', default: '1' },
    plot: { type: 'string' },
    json: { type: 'string' },
    dist: { type: 'string', default: resolve(import.meta.dirname, '../../dist') },
  },
});
const number = (name) => {
  if (/^\d{1,9}(\.\d{1,3})?$/.test(values[name])) return Number(values[name]);
  console.error(`soak: --${name} is a number`);
  return process.exit(2);
};
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'pciback-soak-'));
const dist = resolve(values.dist);
let ok = false;
try {
  await compileFor(dist, folder, ['../soak/soak', 'remote-plugin', '../soak/tester-plugin']);
  const { run } = await import(pathToFileURL(join(folder, 'soak.mjs')).href);
  console.log(`seed ${number('seed')}`);
  const outcome = await run({
    minutes: number('minutes'),
    seed: number('seed'),
    stretch: number('stretch'),
    command: join(dist, 'plugins/commands/main.js'),
    plugin: join(folder, 'remote-plugin.mjs'),
    tester: join(folder, 'tester-plugin.mjs'),
    say: (line) => console.log(line),
  });
  if (values.plot !== undefined) writeFileSync(values.plot, outcome.chart);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(outcome.samples)}\n`);
  for (const line of outcome.lines) console.log(line);
  ok = outcome.failed === 0;
} finally {
  rmSync(folder, { recursive: true });
}
// Not left to an empty event loop: a foreign library may keep a handle.
process.exit(ok ? 0 : 1);
