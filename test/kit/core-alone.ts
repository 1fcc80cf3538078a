// SPDX-License-Identifier: MIT

import type { EngineConfig } from '../../core/config.ts';
import { silent } from '../../core/log.ts';
import { type Ledger, Pciback } from '../../core/pciback.ts';
import { PluginHost } from '../../core/plugin/loader.ts';
import headerFields from '../../plugins/fields/header.ts';
import { guestBudgets } from '../../plugins/guest-budgets.ts';
import device from '../../plugins/interrupts/device/plugin.ts';
import strict from '../../plugins/interrupts/strict.ts';
import { createEmbeddedPlatform, type GuestReport, sample } from '../../plugins/platforms/embedded/index.ts';
import vpci from '../../plugins/slots/vpci.ts';

/** What became of a guest, and what was left of it. */
export interface ServedAlone {
  readonly report: GuestReport;
  readonly ledger: Ledger;
}

/**
 * Serves one guest with the core, a platform, the registers of the header, one mapper and one policy.
 *
 * @param interrupts whether somebody carries out what the guest asks of its device's interrupts
 */
export const serveAlone = async (interrupts: 'carried out' | 'missing'): Promise<ServedAlone> => {
  const plugins = new PluginHost({ log: silent });
  for (const plugin of [headerFields, vpci, strict, ...(interrupts === 'missing' ? [] : [device])])
    await plugins.load(plugin, undefined, 'test');
  plugins.seal();
  const image = sample('e1000e');
  const platform = createEmbeddedPlatform({ devices: [image], duties: 'enforced' });
  const config: EngineConfig = {
    hide: [],
    backend: true,
    slots: 'vpci',
    interrupts: 'strict',
    permissive: [],
    allowInterruptControl: [],
    sharedLines: 'refuse',
    onReset: { failed: 'quarantine', unsupported: 'quarantine' },
    shutdownSeconds: 5,
    guests: {},
  };
  const pciback = new Pciback({
    platform,
    plugins,
    config,
    log: silent,
    budgets: guestBudgets(silent, platform.clock),
  });
  await pciback.start();
  await pciback.stub.seize(image.bdf);
  const domain = await platform.toolstack.create({ devices: [image.bdf] });
  const guest = await platform.startGuest({ domain });
  const report = structuredClone(await guest.reached(4));
  const ledger = await pciback.stop();
  await platform.close();
  return { report, ledger };
};
