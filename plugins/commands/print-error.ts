// SPDX-License-Identifier: MIT

import { isPcibackError } from '../../core/errors/index.ts';
import { HostError } from '../../core/platform/index.ts';

/** How errors are written: lines for people, or one JSON object for machines. */
export type ErrorForm = 'lines' | 'json';

/** What is written about an error, and the exit status it ends with. */
export interface ErrorReport {
  readonly text: string;
  /** 2: the command line is wrong. 1: an error of the catalogue. 70: a defect of this program (EX_SOFTWARE). */
  readonly status: 1 | 2 | 70;
}

/** Says what went wrong and what to do next. Anything that is not of the catalogue is a defect and asks to be reported. */
export const reportError = (error: unknown, form: ErrorForm): ErrorReport => {
  if (isPcibackError(error)) {
    const { code, message, solve, facts } = error;
    const status = code === 'USAGE' ? 2 : 1;
    const text =
      form === 'json'
        ? JSON.stringify({ error: { code, message, next: solve, facts } })
        : `error ${code}: ${message}\n  next: ${solve}`;
    return { text, status };
  }
  if (error instanceof HostError) {
    const next = 'The host refused it. `pciback doctor` looks at what is missing.';
    const text =
      form === 'json'
        ? JSON.stringify({ error: { code: 'HOST', message: error.message, next } })
        : `error HOST: ${error.message}\n  next: ${next}`;
    return { text, status: 1 };
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const next = 'This is a defect of pciback. Please report it with the text above and what you did before.';
  return {
    text:
      form === 'json'
        ? JSON.stringify({ error: { code: 'DEFECT', message: stack, next } })
        : `${stack}\n  next: ${next}`,
    status: 70,
  };
};
