// SPDX-License-Identifier: MIT

import type { Bdf } from '../../core/bdf.ts';
import { isPcibackError } from '../../core/errors/index.ts';
import { Command, Status } from '../../core/ring/layout.ts';
import type { SeizedDevice } from '../../core/stub/index.ts';
import type { IncludedGuest } from '../../plugins/platforms/embedded/index.ts';
import type { EmbeddedHost } from './embedded-host.ts';
import { COMMAND, type Effect, FREE, MSI_CONTROL, type Phase, VICTIM } from './faults.ts';

/** The function is at virtual address 00:00.0, whatever the mapper. */
const address = { domain: 0, bus: 0, devfn: 0 };

/** How many times a guest asks the same: what it can cause is logged at a limited rate. */
const TIMES = 20;

const requestsOf = async (guest: IncludedGuest): Promise<Effect> => {
  const read = (offset: number, size: number) => guest.request({ ...address, cmd: Command.confRead, offset, size });
  const write = (offset: number, value: number) =>
    guest.request({ ...address, cmd: Command.confWrite, offset, size: 2, value });
  let failed = 0;
  let refused = 0;
  const ask = async (request: Promise<{ readonly err: number }>): Promise<void> => {
    if ((await request).err !== Status.success) failed++;
  };
  for (let time = 0; time < TIMES; time++) {
    await ask(read(FREE, 2));
    await ask(write(FREE, 1));
    await ask(guest.request({ ...address, cmd: Command.enableMsi }));
    await ask(guest.request({ ...address, cmd: Command.disableMsi }));
    // By config writes: INTX_DISABLE, and the enable bit of MSI, on and off.
    await ask(write(COMMAND, 0x0402));
    if (((await read(COMMAND, 2)).value & 0x0400) === 0) refused++;
    await ask(write(COMMAND, 0x0002));
    await write(MSI_CONTROL, 0x0081);
    if (((await read(MSI_CONTROL, 2)).value & 1) === 0) refused++;
    await write(MSI_CONTROL, 0x0080);
  }
  if (failed > 0) return 'request fails';
  return refused > 0 ? 'write refused' : 'none';
};

/** Takes a device through its whole life with one guest, and says what the fault came to. */
export const liveWith = async (
  host: EmbeddedHost,
  victim: Bdf,
  begin: (phase: Phase, device?: SeizedDevice) => void,
): Promise<Effect> => {
  const { stub } = host.pciback;
  begin('from the start');
  try {
    await stub.seize(victim);
  } catch (error) {
    if (isPcibackError(error, 'PLUGIN_FAULT')) return 'not seized';
    throw error;
  }
  const device = stub.devices.find(({ bdf }) => bdf === victim);
  const guest = await host.guest([victim], { name: VICTIM, driver: 'none' });
  const { domain } = guest.report();
  const back = `/local/domain/0/backend/pci/${domain}/0/state`;
  let state = '';
  while (!['4', '5', '6'].includes(state)) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    state = (await host.platform.xenstore.read(back)) ?? '';
  }
  let effect: Effect = 'not given';
  if (state === '4') {
    await guest.reached(4);
    begin('once connected', device);
    effect = await requestsOf(guest);
  }
  await guest.stop();
  await host.platform.toolstack.destroy(domain);
  while (host.pciback.guests().some((one) => one.domain === domain)) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  if (effect === 'none' && device?.quarantine !== undefined) effect = 'quarantined';
  begin('once the guest is gone');
  try {
    await stub.release(victim);
  } catch (error) {
    if (!isPcibackError(error, 'PLUGIN_FAULT')) throw error;
    if (effect === 'none') effect = 'not released';
  }
  return effect;
};
