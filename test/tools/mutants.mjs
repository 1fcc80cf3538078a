// SPDX-License-Identifier: MIT
// Breaks the core in one place at a time and runs the tests that have to notice. `npm run mutants`, or with words that
// choose: `npm run mutants -- ring saved`.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { mutants } from './mutants/list.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
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
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' }).split('\0');
  for (const one of files) if (one !== '') cpSync(join(ROOT, one), join(copy, one));
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
};

const escaped = (title) => title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/**
 * Runs tests.
 *
 * @param titles runs only those, all of them; none: every test, until one fails
 * @returns `outcome`: `passed`; `failed`, a test did; `hung`; `broken`, no test ran, which shows nothing. And the titles
 * that failed.
 */
const run = (copy, tests, titles = []) => {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const vitest = join(copy, 'node_modules/vitest/vitest.mjs');
  const which = titles.length === 0 ? ['--bail=1'] : ['-t', titles.map(escaped).join('|')];
  const options = ['run', '--maxWorkers=1', '--reporter=json', `--outputFile=${report}`, ...which, ...tests];
  const done = spawnSync(process.execPath, [vitest, ...options], {
    cwd: copy,
    encoding: 'utf8',
    timeout: PATIENCE,
    killSignal: 'SIGKILL',
  });
  if (done.error?.code === 'ETIMEDOUT') return { outcome: 'hung', failed: [] };
  try {
    const { numFailedTests, numPassedTests, success, testResults } = JSON.parse(readFileSync(report, 'utf8'));
    const all = testResults.flatMap((file) => file.assertionResults);
    const failed = all.filter(({ status }) => status === 'failed').map(({ title }) => title);
    // A file that cannot be loaded has no test that could fail.
    for (const { name, status, message } of testResults)
      if (status === 'failed' && failed.length === 0) console.error(`${name}: ${message}`);
    if (numFailedTests > 0) return { outcome: 'failed', failed };
    return { outcome: success && numPassedTests > 0 ? 'passed' : 'broken', failed };
  } catch {
    console.error(done.stderr);
    return { outcome: 'broken', failed: [] };
  }
};

/** @returns what is wrong with the mutant or the tests; nothing when it was noticed */
const faultOf = (copy, mutant) => {
  const file = join(copy, mutant.file);
  const sound = readFileSync(file, 'utf8');
  try {
    writeFileSync(file, mutated(sound, mutant));
    const { outcome, failed } = run(copy, mutant.tests, mutant.titles);
    if (outcome === 'passed') return 'lives: no test notices';
    if (outcome === 'broken') return 'no test ran with it';
    const passed = (mutant.titles ?? []).filter((title) => !failed.includes(title));
    return passed.length === 0 ? undefined : `does not fail: ${passed.join('; ')}`;
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
    const sound = run(copy, tests);
    if (sound.outcome !== 'passed') {
      console.error(`the tests do not pass without any mutant: ${[sound.outcome, ...sound.failed].join('; ')}`);
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
