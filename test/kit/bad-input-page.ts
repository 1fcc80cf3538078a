// SPDX-License-Identifier: MIT

import { cleanText } from '../../plugins/clean-text.ts';
import { type BadInput, badInputs } from './bad-input.ts';

/** In a cell of a table. */
const code = (text: string): string => {
  const shown = cleanText(text).replaceAll('\n  next:', ' next:').replaceAll('\n', '').replaceAll('|', '\\|');
  return shown.includes('`') ? `\`\` ${shown} \`\`` : `\`${shown}\``;
};

const rowOf = ({ input, words, says, status, with: beside }: BadInput): string => {
  const command = words.map((word) => (word.length > 60 ? `${word.slice(0, 10)}…` : word)).join(' ');
  const where = beside === 'serve' ? ', beside a pciback that runs' : '';
  return `| ${input} | ${code(`pciback ${command}`)}${where} | ${code(says)} | ${status} |`;
};

/** The body of the page about bad input. */
export const badInputPage = (): string =>
  [
    'What is wrong with an input, and what is said about it. `FOLDER` is the folder of the files, `PACKAGE` the one of pciback; what follows a message, most often the next step, is left out. Statuses: 0 it goes on, 1 an error, 2 the command line is wrong, 70 a defect of pciback.',
    ['| input | command | what it says | status |', '|---|---|---|---|', ...badInputs.map(rowOf)].join('\n'),
    'Text that comes from outside, of files, guests or devices, reaches a terminal or a log only with its control characters written out, as `\\x1b`.',
    'A ninth client of the control socket is told `CONTROL_BUSY` before it is let go. What `pciback serve` would refuse `pciback doctor` refuses too, in the same words and with status 1: `test/plugins/program/judge.test.ts` compares the two over more than 40 configurations.',
  ].join('\n\n');
