// SPDX-License-Identifier: MIT

import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../../..');
/** The folder of that package: its package.json, and `dist`. */
export const home = join(root, 'node_modules/.cache/pciback');
/** What the compiler made for these tests. */
export const compiled = join(home, 'compiled');
/** The package as it is shipped, bundled, built for these tests: never an old `dist`. */
export const dist = join(home, 'dist');

/** Milliseconds after which a build that has not ended is one that was killed. */
const STALE = 170_000;

/** Runs `task` while no other process does: test files run at the same time, and this directory is theirs together. */
const alone = (task: () => void): void => {
  const lock = join(home, 'lock');
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
      if (Date.now() - since > STALE) rmSync(lock, { recursive: true, force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
  try {
    task();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
};

/** Builds the package as `npm run build` does, where something has changed since the last time. */
export const build = (): void => {
  mkdirSync(home, { recursive: true });
  alone(() => {
    compile();
    bundle();
  });
};

const output = ['ignore', 'inherit', 'inherit'] as const;
const state = join(home, 'state.tsbuildinfo');

const compile = (): void => {
  copyFileSync(join(root, 'package.json'), join(home, 'package.json'));
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  if (!existsSync(compiled)) rmSync(state, { force: true });
  execFileSync(
    process.execPath,
    [compiler, '-p', 'tsconfig.build.json', '--outDir', compiled, '--incremental', '--tsBuildInfoFile', state],
    { cwd: root, stdio: [...output] },
  );
};

/** What the bundle depends on: sources, the tools that make it, the packages in it, and the templates beside it. */
const makings = (): string => {
  const tools = ['after-build.mjs', 'bundle.mjs'].map((name) => join(root, 'test/tools', name));
  const templates = join(root, 'plugins/new/templates');
  const copied = readdirSync(templates, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const hash = createHash('sha256');
  for (const file of [state, join(root, 'package-lock.json'), ...tools, ...copied]) hash.update(readFileSync(file));
  return hash.digest('hex');
};

/** Bundling changes files in their place, so it gets a copy, which other test files go on using while nothing changes. */
const bundle = (): void => {
  const stamp = join(home, 'bundled');
  const wanted = makings();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  rmSync(stamp, { force: true });
  rmSync(dist, { recursive: true, force: true });
  cpSync(compiled, dist, { recursive: true });
  execFileSync(process.execPath, [join(root, 'test/tools/after-build.mjs'), dist], { stdio: [...output] });
  writeFileSync(stamp, wanted);
};

/** A command that runs. */
export interface Running {
  /** Resolves when standard output has the text; rejects when the process ends before. */
  printed(text: string): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** Resolves when it has ended. */
  readonly end: Promise<Ended>;
}

export interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Starts `pciback` with these words; `folder`: the `dist` of another package; `more`: added to the environment. */
export const start = (
  words: readonly string[],
  cwd: string,
  folder = dist,
  more: Readonly<Record<string, string>> = {},
): Running => {
  const child = spawn(process.execPath, [join(folder, 'plugins/commands/main.js'), ...words], {
    cwd,
    env: { ...process.env, ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  let look = (): void => {};
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const end = new Promise<Ended>((resolved, rejected) => {
    child.on('error', rejected);
    child.on('close', (status) => resolved({ status, out, err }));
  });
  return {
    printed: (text) =>
      new Promise((resolved, rejected) => {
        look = () => {
          if (out.includes(text)) resolved();
        };
        look();
        void end.then((ended) =>
          rejected(new Error(`ended with ${ended.status} before "${text}":\n${ended.out}${ended.err}`)),
        );
      }),
    signal: (name) => void child.kill(name),
    end,
  };
};

/** What `doctor` printed, as long lines: it folds at 80 columns, and where depends on the names of folders. */
export const unfolded = (text: string): string => text.replace(/\n {11,}(?=[^ →])/g, ' ');

/** Runs `pciback` to its end. */
export const run = (words: readonly string[], cwd: string, folder = dist): Promise<Ended> =>
  start(words, cwd, folder).end;
