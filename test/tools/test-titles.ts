// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import ts from 'typescript';

/** Ways to write a test down that do not run it, or want it to fail. */
const NO_TESTS = new Set(['todo', 'skip', 'fails', 'skipIf', 'runIf']);

/** The words of what is called: `it`, `each` for `it.each(table)(title, …)`. */
const wordsOf = (callee: ts.Expression): string[] => {
  if (ts.isIdentifier(callee)) return [callee.text];
  if (ts.isPropertyAccessExpression(callee)) return [...wordsOf(callee.expression), callee.name.text];
  return ts.isCallExpression(callee) || ts.isTaggedTemplateExpression(callee)
    ? wordsOf(ts.isCallExpression(callee) ? callee.expression : callee.tag)
    : [];
};

/** Whole titles of the tests in a file that are run, as they are written there. */
export const testTitles = (file: string): ReadonlySet<string> => {
  const titles = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const [first = '', ...rest] = wordsOf(node.expression);
      const [title] = node.arguments;
      const isTest = (first === 'it' || first === 'test') && !rest.some((word) => NO_TESTS.has(word));
      if (isTest && title !== undefined && ts.isStringLiteralLike(title)) titles.add(title.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest));
  return titles;
};
