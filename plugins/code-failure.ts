// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError } from '../core/errors/index.ts';
import { ownPackage } from './package-folder.ts';

/** A frame of a stack with a file of this machine; jiti names the files that it compiles by path, the engine by URL. */
const FRAME = /^ {4}at (?:async )?(?:.*? \()?((?:file:\/\/)?\/.+?):(\d+):\d+\)?$/gm;
/** What the engine puts above the words of some errors of syntax. */
const HEAD = /^((?:file:\/\/)?\/.+?):(\d+)\n/;
/** As jiti says that a file cannot be parsed. */
const PARSE_ERROR = /^ParseError:\s+(.*?)\s*\n\s*(\/.+):(\d+):\d+$/s;

const pathOf = (file: string): string => (file.startsWith('file:') ? fileURLToPath(file.replace(/\?.*$/, '')) : file);

/** `/etc/pciback/policy.mjs:12`: where code from outside of this package failed; `undefined`: the error does not say. */
export const placeOf = (error: unknown): string | undefined => {
  const stack = error instanceof Error && typeof error.stack === 'string' ? error.stack : '';
  const own = `${ownPackage().folder}/`;
  const [, file, line] = HEAD.exec(stack) ?? [];
  const frames = [
    ...(file === undefined ? [] : [[file, line]]),
    ...[...stack.matchAll(FRAME)].map((one) => one.slice(1)),
  ];
  const [foreign] = frames.map(([at = '', number]) => [pathOf(at), number]).filter(([at = '']) => !at.startsWith(own));
  return foreign?.join(':');
};

/** The same as the end of a message; nothing when it is not known, or what was thrown is of a kind that cannot be looked at. */
export const placeText = (error: unknown): string => {
  try {
    const place = placeOf(error);
    return place === undefined ? '' : ` (${place})`;
  } catch {
    return '';
  }
};

/** The engine says of a module that it is wrong, not always where; what compiles TypeScript says that. */
const syntaxPlace = async (path: string): Promise<string> => {
  const { createJiti } = await import('jiti');
  const ts = extname(path).endsWith('ts');
  const code = createJiti(path, { fsCache: false }).transform({
    source: readFileSync(path, 'utf8'),
    filename: path,
    async: true,
    ts,
  });
  const line = /__JITI_ERROR__ = \{.*?"line":(\d+)/.exec(code)?.[1];
  return line === undefined ? ` (in what ${path} imports)` : ` (${path}:${line})`;
};

/**
 * One line about what the code of a file failed with, with file and line.
 *
 * @param path absolute, of the file that was imported
 */
export const describeFailure = async (error: unknown, path: string): Promise<string> => {
  const said = describeError(error);
  const [, what, file, line] = PARSE_ERROR.exec(said) ?? [];
  if (what !== undefined) return `${what} (${file}:${line})`;
  const first =
    said
      .split('\n')
      .find((line) => line.trim() !== '')
      ?.trim() ?? 'it gives no reason';
  const place = placeText(error);
  return `${first}${place === '' && error instanceof SyntaxError ? await syntaxPlace(path) : place}`;
};
