// SPDX-License-Identifier: MIT
// A quirk is loaded and unloaded again while a guest has its device and reads from it.

import { figure, interleave, quantile } from '../measure.mjs';
import { built } from '../package-under-test.mjs';
import { benchDevice, Place, quirksWithFields, startHost } from '../world.mjs';

const { Command } = await built('core/ring/layout.js');

const one = () => quirksWithFields(8)[0];

/** Milliseconds of each load and unload; the guest has had an answer in between. */
const cycles = async (host, guest, count) => {
  const quirk = one();
  const read = { cmd: Command.confRead, domain: 0, bus: 0, devfn: 0, offset: Place.shown[0], size: 4 };
  const took = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    await host.plugins.load(quirk, undefined, 'bench');
    host.plugins.unload(quirk.name);
    took.push(performance.now() - started);
    if (guest !== undefined) {
      const { err } = await guest.request(read);
      if (err !== 0) throw new Error(`the guest was answered ${err}`);
    }
  }
  return took;
};

export default {
  name: 'hot-load',
  summary: 'loading and unloading a quirk under a running guest',
  run: async ({ quick, rounds }) => {
    const [busy, idle] = [await startHost(), await startHost()];
    const guest = await busy.guest([benchDevice().bdf]);
    await guest.reached(4);
    const count = quick ? 40 : 100;
    const all = { under: [], without: [] };
    const summary = (name, took) => {
      all[name].push(took);
      return quantile(took, 0.5);
    };
    await interleave(rounds, {
      under: async () => summary('under', await cycles(busy, guest, count)),
      without: async () => summary('without', await cycles(idle, undefined, count)),
    });
    await guest.stop();
    await busy.close();
    await idle.close();
    const part = (name, q) => all[name].slice(1).map((took) => quantile(took, q));
    const figures = [
      ['median', 0.5],
      ['p99', 0.99],
      ['max', 1],
    ].map(([label, q]) =>
      figure(`load and unload under a guest, ${label}`, 'ms', part('under', q), {
        'the same without a guest': part('without', q),
      }),
    );
    return { settings: { cycles: count * rounds }, figures };
  },
};
