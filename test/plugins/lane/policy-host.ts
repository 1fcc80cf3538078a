// SPDX-License-Identifier: MIT

import { bdf } from '../../../core/bdf.ts';
import type { InterruptPolicySource } from '../../../core/interrupts.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import type { ConfigInput } from '../../../plugins/program/schema.ts';
import { startEmbeddedHost } from '../../kit/embedded-host.ts';
import { laneByHand } from '../../kit/lane-by-hand.ts';
import { around, policyPlugin } from '../../kit/policy-plugins.ts';

/** Where the device of {@link startWithPolicy} is. */
export const nic = bdf(0, 1, 0);

/**
 * A host with the policies `mine` and `around` it, a device in the hands of a guest, and a lane that is moved by hand and
 * reaches the device's hardware. The caller closes the host.
 */
export const startWithPolicy = async (config: ConfigInput, source: InterruptPolicySource) => {
  const hardware = () => {
    const found = host.pciback.stub.devices.find((one) => one.bdf === nic)?.operations.hardware;
    if (found === undefined) throw new Error('not seized');
    return found;
  };
  const lane = laneByHand({
    read: (_file, offset, size) => hardware().readConfig(offset, size),
    write: (_file, offset, size, value) => hardware().writeConfig(offset, size, value),
  });
  const host = await startEmbeddedHost({
    devices: [sample('root-port'), { ...sample('e1000e'), bdf: nic }],
    between: lane.between,
    plugins: [policyPlugin(source), around],
    config: { shutdownSeconds: 0, ...config },
  });
  const guest = await host.guest([nic], { driver: 'none', name: 'guest' });
  await guest.reached(4);
  return { host, guest, lane, hardware };
};
