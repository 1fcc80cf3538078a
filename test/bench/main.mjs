// SPDX-License-Identifier: MIT
// Benchmarks of the built package. Every figure stands beside references that were measured in the same run, in turn
// with it; what is compared, and what the build is held to, are the ratios.

import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { checkLimits, readLimits } from './check.mjs';
import { compare } from './compare.mjs';
import { describeMachine } from './machine.mjs';
import { checkBuild, PROJECT } from './package-under-test.mjs';
import { plotAll } from './plots.mjs';
import { printBench } from './report.mjs';
import { UsageError } from './usage.mjs';

const NAMES = [
  'dispatcher',
  'fields',
  'ring',
  'attach',
  'hot-load',
  'start',
  'many',
  'storm',
  'provoke',
  'churn',
  'threads',
];
/** Rounds of each bench that count. */
const ROUNDS = { quick: 5, full: 7 };

const HELP = `Usage: npm run bench -- [name…] [options]

Measures the built package ("npm run build" first) on the embedded platform; no Xen and no device is needed.

Options:
  --list          the benchmarks
  --quick         fewer calls, ${ROUNDS.quick} rounds; under a minute together
  --json FILE     also write the results as JSON
  --check FILE    hold the ratios against limits, for example test/bench/limits.json; without names only what has a limit
                  is measured
  --plots FILE    measure nothing: draw the plots of docs/performance from a JSON that was written before
  --help          this text

Environment:
  PCIBACK_DIST    folder of the built package (default dist/)
  PCIBACK_BEFORE  folder of another built package, of another version perhaps: both are measured, in turn, and each
                  figure is printed as a ratio of the two

Exit status: 0; 1 when a limit was exceeded or a benchmark failed; 2 for a wrong call.`;

const options = {
  list: { type: 'boolean' },
  quick: { type: 'boolean' },
  json: { type: 'string' },
  check: { type: 'string' },
  plots: { type: 'string' },
  help: { type: 'boolean' },
};

const parse = (args) => {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    for (const name of positionals) {
      if (!NAMES.includes(name)) throw new UsageError(`there is no benchmark "${name}". Known: ${NAMES.join(', ')}.`);
    }
    const named = positionals.length > 0;
    return { ...values, named, names: named ? [...new Set(positionals)] : NAMES };
  } catch (error) {
    if (error instanceof UsageError || !String(error.code).startsWith('ERR_PARSE_ARGS')) throw error;
    throw new UsageError(error.message);
  }
};

const benchOf = async (name) => (await import(`./benches/${name}.mjs`)).default;

const measure = async (name, call) => {
  const bench = await benchOf(name);
  const started = performance.now();
  const result = await bench.run({ quick: call.quick === true, rounds: call.quick ? ROUNDS.quick : ROUNDS.full });
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  return { name, summary: bench.summary, seconds, notes: [], ...result };
};

const list = async () => {
  for (const name of NAMES) console.log(`${name.padEnd(11)} ${(await benchOf(name)).summary}`);
};

const readResults = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${error.message}`);
  }
};

const main = async (args) => {
  const call = parse(args);
  if (call.help) {
    console.log(HELP);
    return 0;
  }
  if (call.plots !== undefined) {
    for (const file of plotAll(readResults(call.plots), resolve(PROJECT, 'docs/performance'))) console.log(file);
    return 0;
  }
  checkBuild((warning) => console.error(`bench: ${warning}`));
  if (call.list) {
    await list();
    return 0;
  }
  if (globalThis.gc === undefined) throw new UsageError('node was started without --expose-gc; use "npm run bench".');
  if (call.check !== undefined && process.env.PCIBACK_BEFORE !== undefined) {
    throw new UsageError('limits are on one package: --check and PCIBACK_BEFORE do not go together.');
  }
  const limits = call.check === undefined ? undefined : readLimits(resolve(call.check), call.names);
  // A guard that names no benchmark runs those that have a limit.
  const names =
    limits === undefined || call.named
      ? call.names
      : NAMES.filter((name) => limits.some(({ bench }) => bench === name));
  const machine = describeMachine(call.quick === true, call.quick ? ROUNDS.quick : ROUNDS.full);
  console.log(`pciback ${machine.package} (${machine.commit}), node ${machine.node}, ${machine.cpu}, ${machine.date}`);
  if (process.env.PCIBACK_BEFORE !== undefined) {
    const rows = compare(resolve(process.env.PCIBACK_BEFORE), names, call.quick ? ROUNDS.quick : ROUNDS.full);
    if (call.json !== undefined) writeFileSync(call.json, `${JSON.stringify({ settings: machine, rows }, null, 1)}\n`);
    return 0;
  }
  const benches = [];
  for (const name of names) {
    const bench = await measure(name, call);
    benches.push(bench);
    printBench(bench);
  }
  if (call.json !== undefined) {
    writeFileSync(call.json, `${JSON.stringify({ settings: machine, benches }, null, 1)}\n`);
    console.log(`\nwritten: ${call.json}`);
  }
  return limits === undefined ? 0 : checkLimits(limits, benches, (name) => measure(name, call));
};

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`bench: ${error.message}\nTry: npm run bench -- --help`);
    process.exitCode = 2;
  } else {
    console.error(error);
    process.exitCode = 1;
  }
}
// A platform may keep a handle; everything has been written.
process.exit();
