// SPDX-License-Identifier: MIT
// Runs the tests on other versions of Node.js, fetched from the registry: npm run nodes -- --help

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** Those that the package is for. */
export const versions = [20, 22, 24, 26];

const HELP = `npm run nodes -- [options] [files of tests]

Runs the whole suite, or the files named, on each of Node.js ${versions.join(', ')}; status 0: all passed on all. Needs npm ci before.

  --only N       on this one; may be given again
  --cache FOLDER where they are kept ($XDG_CACHE_HOME/pciback-nodes, or ~/.cache/pciback-nodes)
`;
const root = resolve(import.meta.dirname, '../..');

/** The newest of a major version. @returns its node, absolute */
const nodeOf = (major, cache) => {
  // What the package "node" of the registry would fetch for this machine, without a script that runs at installing.
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(cache, String(major));
  const node = join(folder, 'node_modules', name, 'bin/node');
  mkdirSync(folder, { recursive: true });
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--silent'];
  const words = ['install', '--prefix', folder, '--no-save', '--no-package-lock', ...quiet, `${name}@${major}`];
  const { status } = spawnSync('npm', words, { stdio: 'inherit' });
  // Without a registry the one that was fetched before is good enough.
  if (!existsSync(node)) throw new Error(`npm ${words.join(' ')} ended with ${status}, and ${node} is not there`);
  return node;
};

const main = () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string', multiple: true, default: versions.map(String) },
      cache: {
        type: 'string',
        default: join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'pciback-nodes'),
      },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const failed = [];
  for (const major of values.only) {
    const node = nodeOf(major, resolve(values.cache));
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    console.log(`--- Node.js ${version}`);
    const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const start = performance.now();
    const { status } = spawnSync(node, [vitest, 'run', ...positionals], { cwd: root, env, stdio: 'inherit' });
    console.log(
      `--- Node.js ${version}: ${status === 0 ? 'passed' : 'failed'}, ${((performance.now() - start) / 1000).toFixed(0)} s`,
    );
    if (status !== 0) failed.push(version);
  }
  console.log(failed.length === 0 ? 'all passed' : `failed on ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
};

if (process.argv[1] === import.meta.filename) process.exitCode = main();
