// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../core/bdf.ts';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import type { Engine } from '../../core/pciback.ts';
import type { PciListing } from '../../core/platform/index.ts';
import { within } from '../../core/wall/wall.ts';
import { isBridgeClass } from '../bridges.ts';
import { type EmbeddedPlatform, type IncludedGuest, XenbusState } from '../program/index.ts';

/** A function that no guest gets. */
export interface Skipped {
  readonly function: PciListing;
  readonly why: string;
}

/** A guest in this process, with devices. */
export interface BootedGuest {
  readonly guest: IncludedGuest;
  /** What it found and did, when its drivers were ready. */
  readonly report: ReturnType<IncludedGuest['report']>;
}

/** Milliseconds a guest may take until its drivers are ready; it takes some tens. */
const PATIENCE = 8000;

/** Seizes every function that can be given to a guest. */
export const seizeAll = async ({
  platform,
  stub,
}: Engine): Promise<{ readonly devices: readonly Bdf[]; readonly skipped: readonly Skipped[] }> => {
  const devices: Bdf[] = [];
  const skipped: Skipped[] = [];
  for (const one of await platform.pci.list()) {
    if (isBridgeClass(one.class)) {
      skipped.push({ function: one, why: 'a bridge is never exported' });
      continue;
    }
    try {
      await stub.seize(one.bdf);
      devices.push(one.bdf);
    } catch (error) {
      if (!isPcibackError(error)) throw error;
      skipped.push({ function: one, why: error.message });
    }
  }
  return { devices, skipped };
};

const closedEarly = async (guest: IncludedGuest): Promise<never> => {
  await guest.reached(XenbusState.closed);
  throw new Error('its back end closed before it was connected');
};

/**
 * Plays toolstack and guest: makes a domain with these devices, which are seized, boots it and waits until its drivers
 * are ready.
 *
 * @throws Error when the guest does not get that far; the log of pciback says why
 */
export const bootGuest = async (
  platform: EmbeddedPlatform,
  name: string,
  devices: readonly Bdf[],
): Promise<BootedGuest> => {
  const domain = await platform.toolstack.create({ name, devices });
  const guest = await platform.startGuest({ domain });
  const ready = Promise.race([guest.reached(XenbusState.connected), closedEarly(guest)]);
  const report = await within(platform.clock, PATIENCE, ready);
  // A picture of this moment: the drivers change their part when they stop.
  return { guest, report: structuredClone(report) };
};

/** For `serve` on an embedded platform: one guest with everything that is there. */
export const runIncludedGuest = async (engine: Engine, log: Logger): Promise<void> => {
  const { devices, skipped } = await seizeAll(engine);
  for (const one of skipped) log.info({ bdf: formatBdf(one.function.bdf), why: one.why }, 'not for the included guest');
  if (devices.length === 0) {
    log.warn({}, 'no included guest: there is no device for it');
    return;
  }
  log.info({ devices: devices.map(formatBdf) }, 'embedded platform: an included guest gets every device');
  try {
    const { report } = await bootGuest(engine.platform as EmbeddedPlatform, 'included', devices);
    const found = report.devices.map((device) => `${device.vdev} ${device.driver?.interrupts ?? 'none'}`);
    log.info({ guest: report.domain, found }, 'included guest is up');
  } catch (error) {
    log.error({ error: describeError(error) }, 'the included guest did not come up');
  }
};
