#!/usr/bin/env node

// SPDX-License-Identifier: MIT

import { closeSync, fstatSync, openSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { setFlagsFromString } from 'node:v8';
import { takeStray } from '../../core/wall/wall.ts';
import { crashOf, tellCrash } from '../crash.ts';
import { fail, problem } from '../errors.ts';
import { endWhereLoadingHangs } from '../program/loading.ts';
import { readableLog } from './logger.ts';
import { reportError } from './print-error.ts';
import { standardError, standardOutput } from './standard-stream.ts';

const argv = process.argv.slice(2);

/** Milliseconds that readers get at the end of a command that catches signals: nothing else would end it. */
const LAST_WORDS = 1000;

/** Milliseconds in which the engine's compilers end what they have begun. */
const COMPILED = 50;

/**
 * The engine waits at its end for threads that compile, and such a thread may wait for the engine to collect garbage: the process
 * would stay for ever (Node.js 24 and 26, nodejs/node#54918). So nothing new is compiled at the end, and what has begun may end.
 */
const stopCompilers = async (): Promise<void> => {
  for (const flag of ['--no-maglev', '--no-turbofan']) setFlagsFromString(flag);
  // A command that ends by itself has compiled little.
  if (signals !== undefined) await pause(COMPILED);
};

/** At its end the engine gives terminals the settings back that they had, and crashes where one is gone (Node.js 20). */
const leaveLostTerminal = (): void => {
  for (const stream of [0, 1, 2]) {
    try {
      if (!fstatSync(stream).isCharacterDevice() || isatty(stream)) continue;
      closeSync(stream);
      openSync('/dev/null', 'r+'); // gets the number that has just become free
    } catch {
      // It was closed before: nothing is given back to it.
    }
  }
};
// However it ends: a second signal and a crash do not wait for `end`.
process.once('exit', leaveLostTerminal);

/** The first signal asks the command to stop, the second ends the process. */
const catchSignals = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let caught = 0;
    const caughtOne = (signal: NodeJS.Signals): void => {
      caught += 1;
      if (caught > 1) void stopCompilers().then(() => process.exit(1));
      resolve(signal);
    };
    process.on('SIGTERM', caughtOne);
    process.on('SIGINT', caughtOne);
    // Waiting for a signal alone does not keep a process alive, and an embedded platform has nothing else to wait for.
    setInterval(() => {}, 2 ** 31 - 1);
  });
let signals: Promise<NodeJS.Signals> | undefined;

/** Not left to an empty event loop: a foreign library may keep a handle. */
const end = async (status: number): Promise<never> => {
  const limit = signals === undefined ? undefined : LAST_WORDS;
  await stopCompilers();
  await standardOutput.flush(limit);
  await standardError.flush(limit);
  return process.exit(status);
};

const complain = (error: unknown): number => {
  const report = reportError(error, argv.includes('--json') ? 'json' : 'lines');
  standardError.write(`${report.text}\n`);
  return report.status;
};

/** What a plugin left running, a timer, say, is its own fault and ends nothing else. */
const endUnlessStray = (error: unknown): void => {
  if (takeStray(error)) return;
  tellCrash(crashOf(error));
  void end(complain(error));
};

endWhereLoadingHangs();
process.on('uncaughtException', endUnlessStray);
process.on('unhandledRejection', endUnlessStray);

/**
 * `pciback demo | head`: whoever read the output has seen enough, and the command ends with its own status. Output that is lost
 * for another reason was wanted by somebody.
 */
const statusOf = async (status: number): Promise<number> => {
  await standardOutput.flush(signals === undefined ? undefined : LAST_WORDS);
  const { lines, why } = standardOutput.lost;
  if (lines === 0 || why === 'EPIPE') return status;
  const lost = complain(problem('OUTPUT_LOST', { lines, why }));
  // The log of one that catches signals is not what it was started for.
  return status === 0 && signals === undefined ? lost : status;
};

/** Paths count from here; the engine would say only that a call of its own has failed. */
const assertFolder = (): void => {
  try {
    process.cwd();
  } catch (error) {
    fail('FOLDER_GONE', { why: String((error as NodeJS.ErrnoException).code) }, error);
  }
};

try {
  assertFolder();
  const { runCommandLine } = await import('./command-line.ts');
  const status = await runCommandLine(argv, {
    write: (text) => standardOutput.write(text),
    complain: (text) => standardError.write(text),
    stop: () => {
      signals ??= catchSignals();
      return signals;
    },
    log: readableLog('warn', standardError),
  });
  await end(await statusOf(status));
} catch (error) {
  await end(complain(error));
}
