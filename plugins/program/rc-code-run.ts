// SPDX-License-Identifier: MIT

import { spawn } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PcibackError } from '../../core/errors/index.ts';
import { doors } from './doors.ts';
import { defaultExport, importFile, LONGEST } from './module.ts';

/** What came of the code of an rc file: its default export, that this is no plain data, or why there is none. */
export type CodeAnswer =
  | { readonly config: unknown }
  | { readonly isCode: true }
  | { readonly why: string }
  | Pick<PcibackError, 'code' | 'message' | 'solve' | 'facts'>;

/** Sources and the compiled project differ in the ending of their files. */
const ending = extname(import.meta.url);
const child = fileURLToPath(new URL(`./rc-child-run${ending}`, import.meta.url));

/** Has a process of its own run it. */
const ask = (file: string): Promise<CodeAnswer> =>
  new Promise((resolve) => {
    const running = spawn(process.execPath, [child, file, String(LONGEST)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    const timer = setTimeout(() => {
      resolve({ why: `its code did not come to its end in ${LONGEST / 1000} s` });
      running.kill('SIGKILL');
    }, LONGEST);
    const end = (answer: CodeAnswer): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    running.once('message', (answer) => end(answer as CodeAnswer));
    running.once('error', (error) => end({ why: `no process could be started to read it: ${error.message}` }));
    running.once('exit', (status, signal) => {
      const how = signal === null ? `with status ${status}, as process.exit does` : `by ${signal}`;
      end({ why: `its code ended the process that read it, ${how}` });
    });
  });

/**
 * The default export of an rc file that is code. The code runs in a process of its own: a loop without end, or an end of the
 * process, would hold up or take with it a pciback that reads its rc file anew while guests run. What comes back is data;
 * where it is not, functions among the options of a plugin, the file is imported here too.
 *
 * @param file absolute
 * @throws Error why it cannot be read, in words; PcibackError what it threw itself
 */
export const readCode = async (file: string): Promise<unknown> => {
  const answer = await ask(file);
  if ('isCode' in answer) return defaultExport(await importFile(file, doors));
  if ('code' in answer) throw new PcibackError(answer.code, answer.message, answer.solve, { ...answer.facts });
  if ('why' in answer) throw new Error(answer.why);
  return answer.config;
};
