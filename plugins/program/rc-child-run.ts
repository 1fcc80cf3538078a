// SPDX-License-Identifier: MIT

// Runs the code of one rc file, in a process of its own, and tells the one that started it what came of it: see
// rc-code-run.ts.

import { Worker } from 'node:worker_threads';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import { doors } from './doors.ts';
import { defaultExport, importFile } from './module.ts';
import type { CodeAnswer } from './rc-code-run.ts';

const [file = '', longest = ''] = process.argv.slice(2);

// Whoever waits ends this process when its time is over; but that one may be gone by then.
new Worker(`setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${2 * Number(longest)})`, { eval: true }).unref();

const read = async (): Promise<CodeAnswer> => {
  try {
    return { config: defaultExport(await importFile(file, doors)) };
  } catch (error) {
    if (!isPcibackError(error)) return { why: describeError(error) };
    const { code, message, solve, facts } = error;
    return { code, message, solve, facts };
  }
};

const tell = (answer: CodeAnswer): void => {
  process.send?.(answer, undefined, undefined, () => process.exit(0));
};

const answer = await read();
try {
  tell(answer);
} catch {
  // Functions do not pass from one process to another.
  tell({ isCode: true });
}
