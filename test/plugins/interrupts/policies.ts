// SPDX-License-Identifier: MIT

import { parseBdf } from '../../../core/bdf.ts';
import type { InterruptPolicy, PolicyFacts } from '../../../core/interrupts.ts';
import { silent } from '../../../core/log.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import { bundled } from '../../../plugins/bundled.ts';
import { loadByName } from '../../../plugins/program/resolve.ts';

/** Facts of an assignment for a policy alone; `policy` finds nothing. */
export const policyFacts = (changes: Partial<PolicyFacts> = {}): PolicyFacts => ({
  device: {
    bdf: parseBdf('0000:01:00.0'),
    identity: {
      bdf: parseBdf('0000:01:00.0'),
      vendor: 0x8086,
      device: 0x10d3,
      subsystemVendor: 0,
      subsystemDevice: 0,
      class: 0x020000,
      revision: 0,
      headerType: 0,
      configSize: 4096,
      virtualFunction: false,
    },
  },
  guest: { domain: 1, name: 'guest' },
  clock: { now: () => 0 },
  allowed: false,
  policy: (name) => {
    throw new Error(`no policy ${name} here`);
  },
  ...changes,
});

/** Every bundled policy by name, as the plugins register it; each call of a maker makes those with state anew. */
export const bundledPolicies = async (): Promise<ReadonlyMap<string, () => InterruptPolicy>> => {
  const host = new PluginHost({ log: silent });
  for (const name of Object.keys(bundled).filter((one) => one.startsWith('interrupts/'))) {
    await loadByName(host, name, undefined, { asked: 'test', directory: '/', bundled });
  }
  const { interrupts } = host.registries;
  const make = (name: string): InterruptPolicy => {
    const source = interrupts.get(name);
    return typeof source === 'function' ? source(policyFacts({ policy: make })) : source;
  };
  return new Map(interrupts.names.map((name) => [name, () => make(name)]));
};
