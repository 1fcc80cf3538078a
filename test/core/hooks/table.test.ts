// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { coreKinds, defaultDeadlines, hookNames, hookTable } from '../../../core/hooks/index.ts';

const root = resolve(import.meta.dirname, '../../..');

/** The comment above each member of an interface, `undefined` where there is none. */
const commentsOf = (file: string, name: string): ReadonlyMap<string, string | undefined> => {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const found = source.statements.find((one) => ts.isInterfaceDeclaration(one) && one.name.text === name);
  if (found === undefined || !ts.isInterfaceDeclaration(found)) throw new Error(`no interface ${name} in ${file}`);
  return new Map(
    found.members.map((member) => {
      const [comment] = ts.getJSDocCommentsAndTags(member);
      return [member.name?.getText() ?? '', comment === undefined ? undefined : String(comment.comment)];
    }),
  );
};

describe('the hook table', () => {
  it('begins each description with the sentence that hovers over the hook', () => {
    const comments = commentsOf('core/hooks/table.ts', 'HookArguments');
    expect([...comments.keys()].sort()).toEqual([...hookNames].sort());
    for (const name of hookNames) {
      const comment = comments.get(name);
      expect(comment, name).toMatch(/^[A-Z].*\.$/);
      expect(hookTable[name].doc.startsWith(comment ?? ''), `${name}: ${comment}`).toBe(true);
    }
  });

  it('says for each hook what may follow, and each hook but none is reached', () => {
    const reached = new Set(hookNames.flatMap((name) => hookTable[name].next));
    expect(hookNames.filter((name) => !reached.has(name))).toEqual([]);
    expect(hookNames.filter((name) => hookTable[name].next.length === 0)).toEqual([]);
  });

  it('gives every hook that is awaited a deadline under its own name, and a shape to every one that asks', () => {
    for (const name of hookNames) {
      const { kind, answer, deadlines } = hookTable[name];
      const isAwaited = kind === 'asyncSeries' || kind === 'asyncBail';
      expect(Object.keys(deadlines ?? {})[0], name).toBe(isAwaited ? name : undefined);
      expect(answer !== undefined, name).toBe(kind === 'syncBail' || kind === 'asyncBail');
      if (answer !== undefined) expect(answer.fits(undefined), name).toBe(true);
    }
    for (const seconds of Object.values(defaultDeadlines)) expect(seconds).toBeGreaterThan(0);
  });

  it('has a resets’ deadline above the 60 s that Linux waits for a function', () => {
    expect(Math.min(defaultDeadlines.reset, defaultDeadlines.resetDevice)).toBeGreaterThan(60);
  });
});

describe('what a plugin’s author sees', () => {
  it.each(['Host', 'Choices', 'Tappable', 'Collection'])('every member of %s has a comment', (name) => {
    const comments = commentsOf('core/plugin/definition.ts', name);
    for (const [member, comment] of comments) expect(comment, member).toBeDefined();
    if (name === 'Host')
      expect([...comments.keys()].sort()).toEqual([...Object.keys(coreKinds), 'hooks', 'log'].sort());
  });
});
