// SPDX-License-Identifier: MIT

import { PROTOCOL_MAGIC, Verdict } from '../../core/ring/layout.ts';
import { XenbusState } from '../../core/xenbus/nodes.ts';
import { FrontRing } from '../../plugins/platforms/embedded/guest-ring.ts';
import type { EmbeddedPlatform } from '../../plugins/platforms/embedded/index.ts';

/** A front end without a kernel around it: one ring, its keys in the store, states as the test writes them. */
export interface PlainFront {
  readonly ring: FrontRing;
  readonly reference: number;
  readonly front: string;
  readonly back: string;
}

/** Publishes a new page and a new port for a domain that the toolstack made, and goes to Initialised. */
export const plainFront = async (platform: EmbeddedPlatform, domain: number): Promise<PlainFront> => {
  const { hypervisor, xenstore, clock } = platform;
  const kernel = hypervisor.domain(domain);
  const front = `/local/domain/${domain}/device/pci/0`;
  const ring = new FrontRing(kernel.allocatePage(), clock, () => Verdict.recovered);
  const channel = kernel.ports.allocUnbound(0, () => ring.onEvent());
  ring.connect(channel);
  const reference = kernel.grantAccess(0, ring.page);
  await xenstore.transaction(async (view) => {
    await view.write(`${front}/pci-op-ref`, String(reference));
    await view.write(`${front}/event-channel`, String(channel.port));
    await view.write(`${front}/magic`, PROTOCOL_MAGIC);
    await view.write(`${front}/state`, String(XenbusState.initialised));
  });
  return { ring, reference, front, back: `/local/domain/0/backend/pci/${domain}/0` };
};
