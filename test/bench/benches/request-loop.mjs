// SPDX-License-Identifier: MIT

import { built } from '../package-under-test.mjs';
import { wordAt } from '../world.mjs';

const { Request } = await built('core/ring/request.js');

let copies = 0;

/**
 * A loop over one request that goes from offset to offset: `(calls) => void`.
 *
 * Made from text, so that each case has code of its own: in code that all cases share the compiler could not know whom
 * the loop calls, and every case would pay for the others.
 *
 * @param dispatcher anything with `dispatch(request)`
 */
export const requestLoop = (dispatcher, { cmd, offsets, value = 0, devfn = 0 }) => {
  const request = new Request();
  const words = new Int32Array(request.bytes.buffer);
  const values = Int32Array.of(value, value ^ 0x40, value ^ 0x80000000, ~value);
  words[wordAt('cmd')] = cmd;
  words[wordAt('devfn')] = devfn;
  words[wordAt('size')] = 4;
  copies += 1;
  const make = new Function(
    'dispatcher, request, words, offsets, values',
    `/* ${copies} */ return (calls) => {
      for (let i = 0; i < calls; i++) {
        words[${wordAt('offset')}] = offsets[i & 3];
        words[${wordAt('value')}] = values[i & 3];
        dispatcher.dispatch(request);
      }
    };`,
  );
  return make(dispatcher, request, words, Int32Array.from(offsets), values);
};
