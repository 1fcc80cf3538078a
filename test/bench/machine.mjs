// SPDX-License-Identifier: MIT

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { PROJECT } from './package-under-test.mjs';

const git = (...words) => {
  try {
    return execFileSync('git', words, { cwd: PROJECT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    // A source archive has no history.
    return '';
  }
};

/** What a result depends on beside the code. */
export const describeMachine = (quick, rounds) => {
  const commit = git('rev-parse', '--short', 'HEAD');
  const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
  return {
    package: JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')).version,
    commit: commit === '' ? 'no git' : changed ? `${commit} and changes` : commit,
    node: process.versions.node,
    v8: process.versions.v8,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    date: new Date().toISOString().slice(0, 19),
    quick,
    rounds,
  };
};
