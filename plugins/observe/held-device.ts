// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../core/bdf.ts';
import type { GuestBudgets } from '../../core/budget.ts';
import type { EngineConfig } from '../../core/config.ts';
import { silent } from '../../core/log.ts';
import { Pciback } from '../../core/pciback.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import { DenialRecord } from '../../core/space/denials.ts';
import type { Assignment, SeizedDevice, Tenant } from '../../core/stub/index.ts';
import { guestBudgets } from '../guest-budgets.ts';
import { createEmbeddedPlatform, type DeviceImage, type EmbeddedPlatform } from '../program/index.ts';

/** A guest that does nothing: it only has the device, so that its table is compiled. */
const nobody = (budgets: GuestBudgets, settled: (status: number) => void): Tenant => ({
  domain: 1,
  name: 'none yet',
  denials: new DenialRecord(1),
  budget: budgets.of(1),
  refused: () => {},
  settled,
  hold: (work) => work(),
  viewChanged: () => {},
});

/** A device in the hands of a guest that does nothing, on an embedded platform of its own. */
export interface HeldDevice {
  readonly engine: Pciback;
  readonly platform: EmbeddedPlatform;
  readonly device: SeizedDevice;
  readonly assignment: Assignment;
  /** The status of the operation that was answered `Outcome.later`. */
  settled(): Promise<number>;
  close(): Promise<void>;
}

/** What a device is held with. */
export interface HeldTerms {
  /** Loaded, with the quirks that are to be in force. */
  readonly plugins: PluginHost;
  readonly config: EngineConfig;
}

/**
 * Gives a device, and what else lies on its bus, to a guest that does nothing.
 *
 * @param images the functions of the bus
 * @param bdf of the device; it is one of the images
 * @throws PcibackError what it cannot be seized or given for
 */
export const holdDevice = async (
  images: readonly DeviceImage[],
  bdf: Bdf,
  { plugins, config }: HeldTerms,
): Promise<HeldDevice> => {
  const platform = createEmbeddedPlatform({ devices: images });
  try {
    const budgets = guestBudgets(silent, platform.clock);
    const engine = new Pciback({ platform, plugins, config, log: silent, budgets });
    let tell: (status: number) => void = () => undefined;
    let next = new Promise<number>((resolve) => {
      tell = resolve;
    });
    const guest = nobody(budgets, (status) => tell(status));
    const device = await engine.stub.assign(bdf, guest);
    const { assignment } = device;
    if (assignment === undefined) throw new Error(`${formatBdf(bdf)} was taken back while it was given`);
    return {
      engine,
      platform,
      device,
      assignment,
      settled: async () => {
        const status = await next;
        next = new Promise((resolve) => {
          tell = resolve;
        });
        return status;
      },
      close: () => platform.close(),
    };
  } catch (error) {
    await platform.close();
    throw error;
  }
};
