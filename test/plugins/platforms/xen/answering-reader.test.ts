// SPDX-License-Identifier: MIT

import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { AnswererTerms, StartedAnswerer } from '../../../../plugins/kinds/answerer.ts';
import type { NativeLoader } from '../../../../plugins/kinds/native.ts';
import { startAnsweringReader } from '../../../../plugins/platforms/xen/answering-reader.ts';
import { createFakeNative } from './fake-native.ts';

const policy = { longest: 1, wakeUps: 2, shortest: 3, patience: 4 };
const pace = { urgent: -7, usual: 7 };

/** A reader over a thread that writes down what is done with it, and what the event device is told. */
const readerWorld = (module: string | undefined) => {
  const trace: string[] = [];
  let terms: AnswererTerms | undefined;
  const say =
    (what: string) =>
    (...facts: unknown[]) => {
      trace.push([what, ...facts].join(' '));
    };
  const native: NativeLoader = { ...createFakeNative({}), ...(module === undefined ? {} : { module }) };
  const answerer = {
    halt: say('halt'),
    close: async () => say('close')(),
  } as unknown as StartedAnswerer;
  const reader = startAnsweringReader(
    {
      fd: 5,
      wakePort: 6,
      deliver: say('deliver'),
      overflowed: say('overflowed'),
      failed: say('failed'),
      wake: say('wake'),
    },
    native,
    {
      start: (given) => {
        terms = given;
        return answerer;
      },
      policy,
      pace,
    },
  );
  return { answerer, reader, trace, terms };
};

describe('a reader that answers', () => {
  it('starts the thread with the event device and a loader of its own', () => {
    const { answerer, reader, terms } = readerWorld('file:///loader.mjs');
    expect(reader?.answerer).toBe(answerer);
    expect(terms).toMatchObject({ policy, own: { fd: 5, wakePort: 6, loader: 'file:///loader.mjs', pace } });
    expect(structuredClone(terms?.own)).toEqual(terms?.own);
    expect(existsSync(new URL(terms?.bell.href ?? 'file:///'))).toBe(true);
  });

  it('hands on what the thread says', () => {
    const { terms, trace } = readerWorld('file:///loader.mjs');
    terms?.ring();
    terms?.deliver(9);
    terms?.lost();
    terms?.failed(new Error('gone'));
    expect(trace).toEqual(['wake', 'deliver 9', 'overflowed', 'failed Error: gone']);
  });

  it('ends with the thread', async () => {
    const { reader, trace } = readerWorld('file:///loader.mjs');
    reader?.stop();
    await reader?.ended;
    expect(trace).toEqual(['halt', 'close']);
  });

  it('cannot be had where the loader makes no second one', () => {
    expect(readerWorld(undefined)).toMatchObject({ reader: undefined, terms: undefined });
  });
});
