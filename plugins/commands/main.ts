#!/usr/bin/env node
// SPDX-License-Identifier: MIT

import { takeStray } from '../../core/wall/wall.ts';
import { readableLog } from './logger.ts';
import { reportError } from './print-error.ts';

const argv = process.argv.slice(2);

const end = (error: unknown): void => {
  const report = reportError(error, argv.includes('--json') ? 'json' : 'lines');
  process.stderr.write(`${report.text}\n`);
  process.exit(report.status);
};

/** The first signal asks the command to stop, the second ends the process. */
const catchSignals = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let caught = 0;
    const caughtOne = (signal: NodeJS.Signals): void => {
      caught += 1;
      if (caught > 1) process.exit(1);
      resolve(signal);
    };
    process.on('SIGTERM', caughtOne);
    process.on('SIGINT', caughtOne);
    // Waiting for a signal alone does not keep a process alive, and an embedded platform has nothing else to wait for.
    setInterval(() => {}, 2 ** 31 - 1);
  });

/** What a plugin left running, a timer, say, is its own fault and ends nothing else. */
const endUnlessStray = (error: unknown): void => {
  if (!takeStray(error)) end(error);
};

process.on('uncaughtException', endUnlessStray);
process.on('unhandledRejection', endUnlessStray);
let isWatched = false;
/** The standard streams are made when something is written: making one takes as long as reading the rc file. */
const write = (text: string): void => {
  if (!isWatched) {
    isWatched = true;
    // `pciback demo | head`: whoever read the output has seen enough.
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      end(error);
    });
  }
  process.stdout.write(text);
};

let signals: Promise<NodeJS.Signals> | undefined;
try {
  const { runCommandLine } = await import('./command-line.ts');
  const status = await runCommandLine(argv, {
    write,
    complain: (text) => process.stderr.write(text),
    stop: () => {
      signals ??= catchSignals();
      return signals;
    },
    log: readableLog('warn', {
      write: (line) => process.stderr.write(line),
      get colour() {
        return process.stderr.isTTY;
      },
    }),
  });
  // Not left to an empty event loop: a foreign library may keep a handle.
  process.exit(status);
} catch (error) {
  end(error);
}
