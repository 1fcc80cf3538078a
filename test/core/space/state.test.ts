// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import type { Behaviour } from '../../../core/space/behaviour.ts';
import { header, register } from '../../../core/space/declaration.ts';
import { stateOf } from '../../../core/space/state.ts';
import { guestView } from '../../kit/guest-view.ts';

describe('names of state words', () => {
  it('are indexes in the order of the names, with their number', () => {
    expect(stateOf('value', 'sizing')).toEqual({ value: 0, sizing: 1, words: 2 });
    expect(stateOf()).toEqual({ words: 0 });
  });

  it('are told by the compiler', () => {
    const state = stateOf('value');
    // @ts-expect-error: there is no word of this name
    expect(state.size).toBeUndefined();
  });

  it('are words of its own for a register that says how many, and the same for those that share', () => {
    const state = stateOf('last', 'count');
    const counted: Behaviour = {
      read: (at) => at.words[state.count] as number,
      write: (at, value) => {
        at.words[state.last] = value;
        at.words[state.count] = (at.words[state.count] as number) + 1;
        return 0;
      },
    };
    const own = { ...counted, words: state.words };
    const shared = { ...counted, shared: state };
    const guest = guestView([
      header(
        'set',
        [0],
        [0x40, 0x44, 0x48, 0x4c].map((offset, index) => register(offset, 32, 'r').calls(index < 2 ? own : shared)),
      ),
    ]);
    for (const offset of [0x40, 0x48, 0x48, 0x4c]) guest.write(offset, 4, 9);
    expect([0x40, 0x44, 0x48, 0x4c].map((offset) => guest.read(offset, 4))).toEqual([1, 0, 3, 3]);
  });
});
