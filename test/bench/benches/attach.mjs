// SPDX-License-Identifier: MIT
// Giving a device to a guest: seizing is done, so what is timed is merging all fields and quirks into its table.

import { cpuMicroseconds, figure, interleave } from '../measure.mjs';
import { quirksWithFields, startHost, tenant } from '../world.mjs';

const attachOn = async (host) => {
  const [{ bdf }] = await host.platform.pci.list();
  const { stub } = host.pciback;
  await stub.seize(bdf);
  return async () => {
    const guest = tenant();
    const started = cpuMicroseconds();
    const device = await stub.assign(bdf, guest);
    const took = (cpuMicroseconds() - started) / 1000;
    await stub.giveBack(device);
    return took;
  };
};

export default {
  name: 'attach',
  summary: 'giving a device with 200 quirks to a guest',
  run: async ({ quick, rounds }) => {
    const hosts = {
      'attach, 200 quirks': await startHost({ plugins: quirksWithFields(200, 1) }),
      'attach, no quirk': await startHost(),
    };
    const times = new Map(Object.keys(hosts).map((name) => [name, []]));
    const cases = {};
    for (const [name, host] of Object.entries(hosts)) {
      const attach = await attachOn(host);
      // One attach is short: a round is the mean of several.
      const several = quick ? 5 : 20;
      cases[name] = async () => {
        let sum = 0;
        for (let i = 0; i < several; i++) sum += await attach();
        return sum / several;
      };
    }
    for (const [name, values] of await interleave(rounds, cases)) times.set(name, values);
    for (const host of Object.values(hosts)) await host.close();
    return {
      settings: { quirks: 200 },
      figures: [
        figure('attach, 200 quirks', 'ms', times.get('attach, 200 quirks'), {
          'attach, no quirk': times.get('attach, no quirk'),
        }),
      ],
    };
  },
};
