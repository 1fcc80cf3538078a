// SPDX-License-Identifier: MIT
// Breaks the core in one place at a time and runs the tests that have to notice. `npm run mutants`, or with words that
// choose: `npm run mutants -- ring saved`.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { mutants } from './mutants/list.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const TREE = ['core', 'plugins', 'quirks', 'test', 'docs', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
/** Milliseconds for the tests of one mutant; one that makes them hang is noticed too. */
const PATIENCE = 240_000;

/** The text with the mutant's change. @throws Error when its place is not there exactly once */
export const mutated = (text, { name, find, replace }) => {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`${name}: its text is there ${parts.length - 1} times, not once`);
  return parts.join(replace);
};

const copyTree = () => {
  const copy = mkdtempSync(join(tmpdir(), 'pciback-mutants-'));
  for (const one of TREE) cpSync(join(ROOT, one), join(copy, one), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
};

/**
 * Runs tests.
 *
 * @returns `passed`; `failed`, a test did; `hung`; `broken`, no test ran: nothing is shown by that
 */
const outcomeOf = (copy, tests) => {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const vitest = join(copy, 'node_modules/vitest/vitest.mjs');
  const options = ['run', '--bail=1', '--maxWorkers=1', '--reporter=json', `--outputFile=${report}`, ...tests];
  const done = spawnSync(process.execPath, [vitest, ...options], {
    cwd: copy,
    encoding: 'utf8',
    timeout: PATIENCE,
    killSignal: 'SIGKILL',
  });
  if (done.error?.code === 'ETIMEDOUT') return 'hung';
  try {
    const { numFailedTests, numPassedTests, success } = JSON.parse(readFileSync(report, 'utf8'));
    if (numFailedTests > 0) return 'failed';
    return success && numPassedTests > 0 ? 'passed' : 'broken';
  } catch {
    console.error(done.stderr);
    return 'broken';
  }
};

/** @returns what is wrong with the mutant or the tests; nothing when it was noticed */
const faultOf = (copy, mutant) => {
  const file = join(copy, mutant.file);
  const sound = readFileSync(file, 'utf8');
  try {
    writeFileSync(file, mutated(sound, mutant));
    const outcome = outcomeOf(copy, mutant.tests);
    if (outcome === 'passed') return 'lives: no test notices';
    return outcome === 'broken' ? 'no test ran with it' : undefined;
  } catch (error) {
    return `does not apply: ${error.message}`;
  } finally {
    writeFileSync(file, sound);
  }
};

const main = (words) => {
  const chosen = mutants.filter(
    ({ file, name }) => words.length === 0 || words.some((word) => `${file} ${name}`.includes(word)),
  );
  const copy = copyTree();
  try {
    const tests = [...new Set(chosen.flatMap((one) => one.tests))];
    if (outcomeOf(copy, tests) !== 'passed') {
      console.error('the tests do not pass without any mutant');
      return 1;
    }
    let killed = 0;
    for (const mutant of chosen) {
      const fault = faultOf(copy, mutant);
      if (fault === undefined) killed += 1;
      console.log(
        `${fault === undefined ? 'killed' : 'FAULT '}  ${mutant.file}  ${mutant.name}${fault ? `: ${fault}` : ''}`,
      );
    }
    console.log(`killed ${killed} of ${chosen.length}`);
    return killed === chosen.length && killed > 0 ? 0 : 1;
  } finally {
    rmSync(copy, { recursive: true });
  }
};

if (process.argv[1] === import.meta.filename) process.exitCode = main(process.argv.slice(2));
