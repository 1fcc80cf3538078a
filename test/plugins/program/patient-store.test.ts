// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import type { Xenstore } from '../../../core/platform/index.ts';
import { createEmbeddedPlatform } from '../../../plugins/platforms/embedded/index.ts';
import { patientStore, withOthers } from '../../../plugins/program/patient-store.ts';
import { recordingLog } from '../../kit/embedded-host.ts';

const never = new Promise<never>(() => undefined);

/** A store that stops answering, and a limit that passes at once. */
const world = (seconds = 0.01) => {
  const inner = createEmbeddedPlatform({ devices: [] }).xenstore;
  let answer: Promise<unknown> = Promise.resolve();
  const asked: string[] = [];
  const mute = new Proxy(inner, {
    get: (store, key) => {
      const member = store[key as keyof Xenstore];
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        asked.push(String(key));
        await answer;
        return (member as (...args: unknown[]) => unknown).apply(store, args);
      };
    },
  });
  const { log, lines } = recordingLog();
  const patience = patientStore(mute, () => seconds, log);
  return {
    patience,
    store: patience.store,
    lines,
    asked,
    silence: () => {
      let speak = (): void => undefined;
      answer = new Promise<void>((resolve) => {
        speak = resolve;
      });
      return () => speak();
    },
  };
};

describe('a store that does not answer', () => {
  it('while pciback starts, fails the request and all that wait', async () => {
    const { store, silence, patience } = world();
    silence();
    const both = await Promise.allSettled([store.read('/a'), store.watch('/b', () => undefined)]);
    for (const one of both) {
      expect(one).toMatchObject({
        status: 'rejected',
        reason: { code: 'STORE_LOST', facts: { why: expect.stringMatching(/^no answer to read of \/a within \d/) } },
      });
    }
    await expect(store.write('/c', '1')).rejects.toMatchObject({ code: 'STORE_LOST' });
    expect(patience.givenUp).toMatchObject({ code: 'STORE_LOST' });
  });

  it('while guests are served, is waited for, and the log says so and when it answers again', async () => {
    const { store, silence, patience, lines } = world();
    await store.write('/a', '1');
    patience.relax();
    const speak = silence();
    const read = store.read('/a');
    await expect.poll(() => lines.length).toBeGreaterThan(0);
    expect(lines).toMatchObject([
      { level: 'warn', message: 'xenstore does not answer', facts: { operation: 'read', path: '/a' } },
    ]);
    await new Promise((resolve) => setTimeout(resolve, 120));
    speak();
    expect(await read).toBe('1');
    expect(lines.at(-1)).toMatchObject({ level: 'info', message: 'xenstore answers again' });
    expect(patience.givenUp).toBeUndefined();
  });

  it('at the end, is given up: nothing is in it any more, and nothing more is asked', async () => {
    const { store, silence, patience, lines, asked } = world();
    await store.write('/a', '1');
    patience.relax();
    const watch = await store.watch('/a', () => undefined);
    silence();
    // Asked before the end begins: it counts from there.
    const before = store.transaction((view) => view.read('/a'));
    patience.hurry();
    expect(await before).toBeUndefined();
    const count = asked.length;
    expect(await store.read('/a')).toBeUndefined();
    expect(await store.list('/')).toBeUndefined();
    await store.write('/a', '2');
    await store.remove('/a');
    await store.setPermissions('/a', []);
    await (await store.watch('/b', () => undefined)).close();
    await watch.close();
    expect(asked).toHaveLength(count);
    expect(lines.map(({ message }) => message)).toEqual(['xenstore is given up']);
    expect(patience.givenUp?.message).toMatch(/no answer to transaction of \/ within/);
  });

  it('that refuses is no silence', async () => {
    const { patience, store } = world(5);
    patience.hurry();
    await expect(store.write('no path', '')).rejects.toThrow();
    expect(patience.givenUp).toBeUndefined();
  });
});

describe('the platform with another store', () => {
  it('is otherwise the same, and one that keeps things to itself stays as it is', async () => {
    const platform = createEmbeddedPlatform({ devices: [] });
    const { store } = world();
    const derived = withOthers(platform, { xenstore: store });
    expect(derived.xenstore).toBe(store);
    expect(derived.clock).toBe(platform.clock);
    class Own {
      readonly #name = 'own';
      get name() {
        return this.#name;
      }
    }
    const own = new Own();
    expect(withOthers(own as never, { xenstore: store })).toBe(own);
    await Promise.race([derived.close(), never]);
  });
});
