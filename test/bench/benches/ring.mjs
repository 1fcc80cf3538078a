// SPDX-License-Identifier: MIT
// A request through the shared page on one thread: put, look, copy, dispatch, answer, take. No event channel.

import { bytesPerCall, figure, interleave, nanoseconds, warm } from '../measure.mjs';
import { built } from '../package-under-test.mjs';
import { dispatcherOn, Place, quirksWithFields, startHost } from '../world.mjs';
import { hookWalk } from './naive-hooks.mjs';

const { Ring } = await built('core/ring/ring.js');
const { Command, Flag, Page } = await built('core/ring/layout.js');

/** What a front end does for one read; returns the value of the answer. */
const frontEnd = (page) => {
  const words = new Int32Array(page);
  return {
    ask: (offset) => {
      words[Page.cmd >> 2] = Command.confRead;
      words[Page.err >> 2] = 0;
      words[Page.domain >> 2] = 0;
      words[Page.bus >> 2] = 0;
      words[Page.devfn >> 2] = 0;
      words[Page.offset >> 2] = offset;
      words[Page.size >> 2] = 4;
      Atomics.or(words, Page.flags >> 2, Flag.frontActive);
    },
    take: () => ((Atomics.load(words, Page.flags >> 2) & Flag.frontActive) === 0 ? words[Page.value >> 2] : undefined),
  };
};

const throughRing = (dispatcher) => {
  const page = new SharedArrayBuffer(Page.bytes);
  const ring = new Ring(page);
  const { ask, take } = frontEnd(page);
  const offsets = Int32Array.from(Place.shown);
  return (calls) => {
    for (let i = 0; i < calls; i++) {
      ask(offsets[i & 3]);
      if (!ring.pending) throw new Error('the request is not seen');
      dispatcher.dispatch(ring.snapshot());
      ring.answer();
      if (take() === undefined) throw new Error('the answer is not seen');
    }
  };
};

/** The page alone: the value is put where the answer belongs and the flag is cleared, nothing is copied or checked. */
const barePage = () => {
  const page = new SharedArrayBuffer(Page.bytes);
  const words = new Int32Array(page);
  const { ask, take } = frontEnd(page);
  const offsets = Int32Array.from(Place.shown);
  return (calls) => {
    for (let i = 0; i < calls; i++) {
      ask(offsets[i & 3]);
      if ((Atomics.load(words, 0) & Flag.frontActive) === 0) throw new Error('the request is not seen');
      words[Page.value >> 2] = words[Page.offset >> 2];
      Atomics.and(words, 0, ~Flag.frontActive);
      if (take() === undefined) throw new Error('the answer is not seen');
    }
  };
};

export default {
  name: 'ring',
  summary: 'a read through the shared page on one thread',
  run: async ({ quick, rounds }) => {
    const host = await startHost({ plugins: quirksWithFields(200) });
    const { dispatcher, giveBack } = await dispatcherOn(host);
    const plugins = host.plugins.loaded.filter(({ name }) => name.startsWith('fields/')).length;
    const walk = `ring with a hook walk, ${plugins} taps`;
    const loops = {
      'read through the ring': throughRing(dispatcher),
      'bare page': barePage(),
      [walk]: throughRing(hookWalk(plugins)),
    };
    const calls = quick ? 300_000 : 1_000_000;
    warm(Object.values(loops), 50_000);
    const times = await interleave(
      rounds,
      Object.fromEntries(Object.entries(loops).map(([name, loop]) => [name, nanoseconds(loop, calls)])),
    );
    const heap = bytesPerCall(loops['read through the ring'], calls);
    await giveBack();
    await host.close();
    const references = { 'bare page': times.get('bare page'), [walk]: times.get(walk) };
    const rates = (values) => values.map((ns) => 1e3 / ns);
    return {
      settings: { calls },
      figures: [
        figure('read through the ring', 'ns', times.get('read through the ring'), references),
        figure('requests through the ring', 'M/s', rates(times.get('read through the ring')), {
          [walk]: rates(times.get(walk)),
        }),
        figure('heap per read through the ring', 'bytes', [Math.round(heap * 1000) / 1000]),
      ],
    };
  },
};
