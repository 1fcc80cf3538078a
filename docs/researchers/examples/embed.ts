// SPDX-License-Identifier: MIT

import { createEmbeddedPlatform, sample, startPciback } from 'pciback';

/** Gives a network card to a guest in this process, and tells which interrupts its driver got. */
export const interruptsUnder = async (policy: string): Promise<string | undefined> => {
  const nic = sample('e1000e');
  const platform = createEmbeddedPlatform({ devices: [nic] });
  const { engine, stop } = await startPciback({ config: { interrupts: policy, control: false }, platform });
  await engine.stub.seize(nic.bdf);
  const domain = await platform.toolstack.create({ devices: [nic.bdf] });
  const guest = await platform.startGuest({ domain });
  const report = await guest.reached(4); // XenbusState.connected
  const interrupts = report.devices[0]?.driver?.interrupts;
  await stop();
  return interrupts;
};
