// SPDX-License-Identifier: MIT

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isPcibackError } from '../../core/errors/index.ts';
import { HostError } from '../../core/platform/index.ts';
import { cleanText } from '../clean-text.ts';
import { ownPackage } from '../package-folder.ts';

/** How errors are written: lines for people, or one JSON object for machines. */
export type ErrorForm = 'lines' | 'json';

/** What is written about an error, and the exit status it ends with. */
export interface ErrorReport {
  readonly text: string;
  /** 2: the command line is wrong. 1: an error of the catalogue. 70: a defect of this program (EX_SOFTWARE). */
  readonly status: 1 | 2 | 70;
}

const PAGE = /\bdocs\/[\w-]+(?:\/[\w-]+)*(?:\.md)?/g;

/** Pages of the documentation as they lie here: who reads this may stand anywhere. */
const withPages = (text: string): string =>
  text.replace(PAGE, (page) => {
    const file = join(ownPackage().folder, page);
    return existsSync(file) ? file : page;
  });

/** Says what went wrong and what to do next. Anything that is not of the catalogue is a defect and asks to be reported. */
export const reportError = (error: unknown, form: ErrorForm): ErrorReport => {
  if (isPcibackError(error)) {
    const { code, message, facts } = error;
    const solve = withPages(error.solve);
    const status = code === 'USAGE' ? 2 : 1;
    const text =
      form === 'json'
        ? JSON.stringify({ error: { code, message, next: solve, facts } })
        : cleanText(`error ${code}: ${message}\n  next: ${solve}`);
    return { text, status };
  }
  if (error instanceof HostError) {
    const next = 'The host refused it. `pciback doctor` looks at what is missing.';
    const text =
      form === 'json'
        ? JSON.stringify({ error: { code: 'HOST', message: error.message, next } })
        : cleanText(`error HOST: ${error.message}\n  next: ${next}`);
    return { text, status: 1 };
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const next = 'This is a defect of pciback. Please report it with the text above and what you did before.';
  return {
    text:
      form === 'json'
        ? JSON.stringify({ error: { code: 'DEFECT', message: stack, next } })
        : cleanText(`${stack}\n  next: ${next}`),
    status: 70,
  };
};
