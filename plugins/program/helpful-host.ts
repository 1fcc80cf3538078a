// SPDX-License-Identifier: MIT

import { nearest } from '../../core/errors/nearest.ts';
import type { Tap, TapOptions } from '../../core/hooks/index.ts';
import type { Host } from '../../core/plugin/index.ts';
import type { AccessRecorder } from '../../core/space/recorder.ts';
import type { Wall } from '../../core/wall/wall.ts';
import { fail } from '../errors.ts';

/** Names that the engine itself may ask any object for. */
const isOfEngine = (name: PropertyKey): boolean =>
  typeof name === 'symbol' || name === 'then' || name === 'toJSON' || name in Object.prototype;

/**
 * The same object, of which a name that it does not have is an error with the nearest one, instead of `undefined`. Whether it
 * has one is asked with `in`.
 */
const namesKnown = <Of extends object>(kind: string, of: Of): Of =>
  new Proxy(of, {
    get: (target, name) => {
      if (name in target || isOfEngine(name)) return Reflect.get(target, name);
      const known = Object.keys(target);
      const facts = { kind, name: String(name), nearest: nearest(String(name), known), known };
      return fail('CHOICE_UNKNOWN', facts);
    },
  });

/** What a recorder throws is counted and logged as its plugin's, and costs the guest nothing: its access is done. */
const guarded = (recorder: AccessRecorder, plugin: string, wall: () => Wall): AccessRecorder => ({
  access: (one) => {
    try {
      recorder.access(one);
    } catch (error) {
      wall().fault({ plugin, what: `access of its recorder, at a ${one.kind}`, offset: one.offset }, error);
    }
  },
});

type Answer = ReturnType<Tap<'unhandledWrite'>>;

/** As plugins see the hook that brings recorders. */
const withGuards = (hook: Host['hooks']['unhandledWrite'], plugin: string, wall: () => Wall): typeof hook => {
  // The same recorder stays the same one: another would be a change of the rules.
  const known = new WeakMap<AccessRecorder, AccessRecorder>();
  const guard = (answer: Answer): Answer => {
    const { recorder } = Object(answer) as { readonly recorder?: unknown };
    if (typeof Object(recorder).access !== 'function') return answer;
    const own = recorder as AccessRecorder;
    const guardedOne = known.get(own) ?? guarded(own, plugin, wall);
    known.set(own, guardedOne);
    return { ...(answer as object), recorder: guardedOne } as Answer;
  };
  const around = (tap: Tap<'unhandledWrite'>): Tap<'unhandledWrite'> =>
    typeof tap === 'function' ? (...args) => guard(tap(...args)) : tap;
  return {
    tap: (first: Tap<'unhandledWrite'> | TapOptions, second?: Tap<'unhandledWrite'>) =>
      typeof first === 'function' ? hook.tap(around(first)) : hook.tap(first, around(second as Tap<'unhandledWrite'>)),
  };
};

/**
 * What plugins get in place of the plain facade: a hook or a kind of thing that is not there is named with the nearest one,
 * and a recorder that throws is its plugin's.
 */
export const helpfulHost = (plain: Host, plugin: string, wall: () => Wall): Host => {
  const { unhandledWrite } = plain.hooks;
  const hooks = { ...plain.hooks, unhandledWrite: withGuards(unhandledWrite, plugin, wall) };
  return namesKnown('kind of thing', { ...plain, hooks: namesKnown('hook', hooks) });
};
