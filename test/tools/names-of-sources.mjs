// SPDX-License-Identifier: MIT
// The compiler writes `./a.ts` as `./a.js` where it sees an import. In some places, an `import()` deep inside of other calls for
// one, it does not, and what is built fails when that line runs.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const NAMED = /\b(?:from|import|require)\s*\(?\s*(["'`])(\.{1,2}\/[^"'`\n]+\.[cm]?ts)\1/g;

/** Comments have examples. */
const withoutComments = (code) =>
  code.replaceAll(/^\s*(?:\/\/.*|\/\*[\s\S]*?\*\/)/gm, (comment) => comment.replaceAll(/[^\n]/g, ''));

/**
 * Imports of sources in what the compiler wrote.
 *
 * @param dist its folder
 * @returns each as `file:line: imports name`
 */
export const namesOfSources = (dist) =>
  readdirSync(dist, { recursive: true })
    .filter((file) => /\.[cm]?js$/.test(file) && !/(^|\/)templates\//.test(file))
    .sort()
    .flatMap((file) => {
      const code = withoutComments(readFileSync(join(dist, file), 'utf8'));
      return [...code.matchAll(NAMED)].map(
        ({ index, 2: name }) => `${file}:${code.slice(0, index).split('\n').length}: imports ${name}`,
      );
    });
