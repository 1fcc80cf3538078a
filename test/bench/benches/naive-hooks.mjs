// SPDX-License-Identifier: MIT
// The reference that most plugin frameworks are: each request calls a hook, and every plugin taps it.

import { AsyncSeriesBailHook, SyncBailHook } from 'tapable';

const ownerOf = (first, last, values) => (request) => {
  const { offset } = request;
  return offset < first || offset > last ? undefined : values[offset >> 2];
};

const fill = (hook, taps) => {
  const values = new Int32Array(1024).map((_, index) => index << 21);
  for (let index = 0; index < taps - 1; index++)
    hook.tap(`plugin ${index}`, ownerOf(0x1000 + index, 0x1000 + index, values));
  hook.tap('owner', ownerOf(0, 0xfff, values));
  return hook;
};

/** Something that answers a request by a synchronous hook with so many taps; the last of them answers. */
export const hookWalk = (taps) => {
  const hook = fill(new SyncBailHook(['request']), Math.max(1, taps));
  return {
    dispatch: (request) => {
      request.value = hook.call(request) ?? 0;
      request.err = 0;
      return true;
    },
  };
};

/** The same with promises: each answer is awaited. */
export const asyncHookWalk = (taps) => {
  const hook = fill(new AsyncSeriesBailHook(['request']), Math.max(1, taps));
  return {
    dispatch: async (request) => {
      request.value = (await hook.promise(request)) ?? 0;
      request.err = 0;
      return true;
    },
  };
};
