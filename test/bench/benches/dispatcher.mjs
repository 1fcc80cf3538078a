// SPDX-License-Identifier: MIT
// The dispatcher alone: real fields, real table, real slot map, no ring and no event channel.

import { bytesPerCall, cpuMicroseconds, figure, interleave, nanoseconds, warm } from '../measure.mjs';
import { built } from '../package-under-test.mjs';
import { dispatcherOn, Place, quirksWithFields, startHost } from '../world.mjs';
import { asyncHookWalk, hookWalk } from './naive-hooks.mjs';
import { requestLoop } from './request-loop.mjs';

const { Request } = await built('core/ring/request.js');
const { Command } = await built('core/ring/layout.js');

/** Calls that the compiler does not inline: it gives up on a place that calls more than four functions. */
const emptyCalls = () => {
  const all = [() => true, () => true, () => true, () => true, () => true, () => true, () => true, () => true];
  let next = 0;
  return { dispatch: (request) => all[next++ & 7](request) };
};

/** The least that answering can be: the value out of a typed array, into the answer. */
const lookUp = () => {
  const table = new Int32Array(1024).map((_, index) => index << 21);
  return {
    dispatch: (request) => {
      request.value = table[request.offset >> 2];
      request.err = 0;
      return true;
    },
  };
};

const READ = { cmd: Command.confRead, offsets: Place.shown };

const asyncNanoseconds = (walk, calls) => async () => {
  const request = new Request();
  const started = cpuMicroseconds();
  for (let i = 0; i < calls; i++) await walk.dispatch(request);
  return ((cpuMicroseconds() - started) * 1000) / calls;
};

const TABLE = 'read answered from the table';

/** One tap for each plugin of fields; how many these are changes. */
const WALK = 'hook walk, a tap for each field plugin';
const WALK_WITH_PROMISES = 'hook walk with promises, a tap for each';

export default {
  name: 'dispatcher',
  summary: 'one request through the dispatcher and a device with 200 quirk fields: time and heap',
  run: async ({ quick, rounds }) => {
    const host = await startHost({ plugins: quirksWithFields(200) });
    const { dispatcher, giveBack } = await dispatcherOn(host);
    const plugins = host.plugins.loaded.filter(({ name }) => name.startsWith('fields/')).length;
    const ours = {
      [TABLE]: READ,
      'read that goes to the embedded device': { cmd: Command.confRead, offsets: Place.free },
      'write that is dropped': { cmd: Command.confWrite, offsets: Place.free, value: 0x12345678 },
      'write that passes': { cmd: Command.confWrite, offsets: Place.writable, value: 0x12345678 },
      'unknown device': { ...READ, devfn: 0xf8 },
    };
    const loops = Object.fromEntries(Object.entries(ours).map(([name, what]) => [name, requestLoop(dispatcher, what)]));
    const references = {
      'empty call': requestLoop(emptyCalls(), READ),
      'typed-array look-up': requestLoop(lookUp(), READ),
      [WALK]: requestLoop(hookWalk(plugins), READ),
    };
    const calls = quick ? 300_000 : 2_000_000;
    warm([...Object.values(loops), ...Object.values(references)], 50_000);
    const walk = asyncHookWalk(plugins);
    const asyncName = WALK_WITH_PROMISES;
    const times = await interleave(rounds, {
      ...Object.fromEntries(
        Object.entries({ ...loops, ...references }).map(([name, loop]) => [name, nanoseconds(loop, calls)]),
      ),
      [asyncName]: asyncNanoseconds(walk, calls / 20),
    });
    const beside = Object.fromEntries([...Object.keys(references), asyncName].map((name) => [name, times.get(name)]));
    // The rest beside a read too: what an empty call takes differs by three times from one processor to the next.
    const read = { [TABLE]: times.get(TABLE) };
    const figures = Object.keys(ours).map((name) =>
      figure(name, 'ns', times.get(name), name === TABLE ? beside : { ...beside, ...read }),
    );

    const rates = (name) => times.get(name).map((ns) => 1e3 / ns);
    figures.push(
      figure('requests on one core', 'M/s', rates(TABLE), {
        [WALK]: rates(WALK),
      }),
    );

    const many = quick ? 1_000_000 : 10_000_000;
    const control = bytesPerCall(
      requestLoop({ dispatch: (request) => (kept.last = [request.offset]) }, READ),
      many / 10,
    );
    for (const [name, loop] of Object.entries(loops)) {
      figures.push(
        figure(`heap per ${name}`, 'bytes', [round3(bytesPerCall(loop, many))], {
          'one small array per request': [round3(control)],
        }),
      );
    }
    await giveBack();
    await host.close();
    return { settings: { calls, heapCalls: many, plugins, quirkFields: 200 }, figures };
  },
};

/** Holds on to what the control case makes, so that it is made. */
const kept = { last: [] };
const round3 = (value) => Math.round(value * 1000) / 1000;
