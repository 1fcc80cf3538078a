// SPDX-License-Identifier: MIT
// npm run survive -- --help

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { compileFor } from './compile.mjs';

const HELP = `npm run survive -- [options]

Guests ask without pause while the process that serves them is killed with -9, and another one takes over. Status 0: none
of them noticed.

  --kills N        how often it is killed (1000)
  --seed N         replays a run; printed by each
  --mode MODE      cold: started anew when it is dead (default); standby: a second one waits; upgrade: not killed, but told
                   to hand its guests over
  --during ACT     what goes on at each kill: answering, attach, quirk or reset; missing: answering, and
                   something else one time in five. quirk: one is loaded, loaded again, unloaded; while it is
                   loaded again it has to be in force after every take-over
  --requests N     answered before the first kill, and after the last (2000)
  --stretch N      guests wait that many times longer: for a machine that is busy with other things (1)
  --dist FOLDER    the built package (dist)
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    during: { type: 'string' },
    kills: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 1e6)) },
    mode: { type: 'string', default: 'cold' },
    requests: { type: 'string', default: '2000' },
    stretch: { type: 'string', default: '1' },
    dist: { type: 'string', default: resolve(import.meta.dirname, '../../dist') },
  },
});
const wrong = (what) => {
  console.error(`survive: ${what}`);
  process.exit(2);
};
const number = (name) => (/^\d{1,9}$/.test(values[name]) ? Number(values[name]) : wrong(`--${name} is a number`));
if (!['cold', 'standby', 'upgrade'].includes(values.mode)) wrong('--mode is cold, standby or upgrade');

const ACTS = ['answering', 'attach', 'quirk', 'reset'];
if (values.during !== undefined && !ACTS.includes(values.during)) wrong(`--during is ${ACTS.join(', ')}`);
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'pciback-survive-'));
const dist = resolve(values.dist);
let ok = false;
try {
  await compileFor(dist, folder);
  const { run } = await import(pathToFileURL(join(folder, 'run.mjs')).href);
  const outcome = await run({
    kills: number('kills'),
    seed: number('seed'),
    mode: values.mode,
    during: values.during,
    requests: number('requests'),
    stretch: number('stretch'),
    command: join(dist, 'plugins/commands/main.js'),
    plugin: join(folder, 'remote-plugin.mjs'),
    say: (line) => console.error(line),
  });
  for (const line of outcome.lines) console.log(line);
  ok = outcome.ok;
} finally {
  rmSync(folder, { recursive: true });
}
// Not left to an empty event loop: a foreign library may keep a handle.
process.exit(ok ? 0 : 1);
