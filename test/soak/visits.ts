// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../core/bdf.ts';
import { Command, Status, statusName } from '../../core/ring/layout.ts';
import type { PciModel } from '../../plugins/platforms/embedded/device.ts';
import type { GuestAnswer, GuestDevice, GuestRequest, IncludedGuest } from '../../plugins/platforms/embedded/index.ts';
import type { SeededRandom } from '../kit/seeded-random.ts';
import { becomes, errorOf, pause, type Soak } from './context.ts';

const PATIENCE_MS = 20_000;

/** A guest that comes for a while with one device. */
export interface Visit {
  readonly soak: Soak;
  readonly random: SeededRandom;
  readonly bdf: Bdf;
  readonly model: PciModel;
  readonly guest: IncludedGuest;
  /** Missing: it did not get the device. */
  readonly device: GuestDevice | undefined;
  /** Sends a request for its device. Each has to be answered. */
  ask(request: GuestRequest): Promise<GuestAnswer>;
  read(offset: number): Promise<GuestAnswer>;
}

/** What happens to it. */
export interface VisitKind {
  readonly name: string;
  /** Before the guest comes. */
  readonly before?: (soak: Soak, bdf: Bdf) => void;
  /** Whether it may come without its device. */
  readonly mayLack?: boolean;
  readonly act: (visit: Visit) => Promise<void>;
  /** Whatever came of it; the device is about to be taken back. */
  readonly after?: (soak: Soak, bdf: Bdf) => void;
  /** Nothing of it is left. */
  readonly gone?: (soak: Soak, bdf: Bdf) => void;
}

interface DeviceState {
  readonly bdf: string;
  readonly guest?: number;
  readonly quarantine?: string;
}

interface State {
  readonly guests: readonly { readonly domain: number }[];
  readonly devices: readonly DeviceState[];
}

const stateOf = async ({ keeper }: Soak): Promise<State | undefined> =>
  (await keeper.ask('status').catch(() => undefined)) as State | undefined;

/** The host takes the function away from pciback, so that nothing of the last guest keeps it from the next one. */
const heal = async (soak: Soak, bdf: Bdf): Promise<void> => {
  let state: State | undefined;
  // Between two processes nobody knows; the next one takes a quarantine over.
  const isKnown = await becomes(async () => {
    state = await stateOf(soak);
    return state !== undefined;
  }, PATIENCE_MS * soak.stretch);
  soak.checks.that(isKnown, 'somebody says what keeps a device before a guest comes');
  const device = state?.devices.find((one) => one.bdf === formatBdf(bdf));
  if (device?.quarantine !== undefined) soak.world.host.rebind(bdf);
};

/** For whoever reads of a guest that was not served. */
const seenOf = async (soak: Soak, domain: number, state: number) => ({
  error: await errorOf(soak, domain),
  state,
  devices: (await stateOf(soak))?.devices,
});

const within = async <T>(work: Promise<T>, milliseconds: number): Promise<T | undefined> => {
  const never = new AbortController();
  const over = pause(milliseconds, undefined, { signal: never.signal }).catch(() => undefined);
  const first = await Promise.race([work.catch(() => undefined), over]);
  never.abort();
  return first;
};

/** Nothing of a domain that is gone is held, by the hypervisor's word and the daemon's. */
const lookForRest = async (soak: Soak, domain: number, bdf: Bdf, name: string): Promise<void> => {
  const { world, checks, stretch } = soak;
  const held = () => {
    const { mapped, bound, pirqs } = world.host.platform.hypervisor.ledger();
    return [
      ...mapped.filter((one) => one.domain === domain),
      ...bound.filter((one) => one.remoteDomain === domain),
      ...pirqs.filter((one) => one.domain === domain),
    ];
  };
  const isGone = await becomes(() => held().length === 0, PATIENCE_MS * stretch);
  checks.that(isGone, `${name}: nothing is held for a guest that is gone`, held());
  const knows = async () => {
    const state = await stateOf(soak);
    if (state === undefined) return 'nobody answers';
    const device = state.devices.find((one) => one.bdf === formatBdf(bdf));
    const guest = state.guests.some((one) => one.domain === domain) ? `guest ${domain} ` : '';
    return device?.guest === domain ? `${guest}its device` : guest;
  };
  const isForgotten = await becomes(async () => (await knows()) === '', PATIENCE_MS * stretch);
  checks.that(isForgotten, `${name}: a guest that is gone is not known any more`, isForgotten ? '' : await knows());
};

/** A guest boots, something happens to it, and it goes. */
export const visit = async (soak: Soak, random: SeededRandom, bdf: Bdf, kind: VisitKind): Promise<void> => {
  const { world, checks, stretch, keeper, visited } = soak;
  const { platform } = world.host;
  const isSameSince = visited.get(bdf) ?? (() => false);
  visited.set(bdf, keeper.watch());
  await heal(soak, bdf);
  kind.before?.(soak, bdf);
  const domain = await platform.toolstack.create({ devices: [bdf] });
  const guest = await platform.startGuest({ domain, driver: random.oneIn(2) ? 'exercise' : 'none' });
  try {
    const isCalm = keeper.watch();
    // Without a device that it can have it is closed.
    const settled = Promise.race([guest.reached(4), guest.reached(6)]);
    const report = await within(settled, PATIENCE_MS * stretch);
    // A process that followed another one since the last visitor gives that one's device back, or finds it in quarantine: only it knows.
    const isKept = !isSameSince() && (await errorOf(soak, domain))?.includes('is quarantined') === true;
    const mayBeShut = kind.mayLack === true || isKept;
    const isSettled = report?.state === 4 || (report !== undefined && mayBeShut);
    const seen = isSettled ? '' : await seenOf(soak, domain, guest.report().state);
    checks.that(isSettled, `${kind.name}: the guest is connected`, seen);
    const [device] = guest.report().devices;
    if (isCalm() && !mayBeShut) {
      checks.that(device !== undefined, `${kind.name}: the guest has its device`, await stateOf(soak));
    }
    const ask = async (request: GuestRequest): Promise<GuestAnswer> => {
      const place = { domain: device?.segment ?? 0, bus: device?.bus ?? 0, devfn: device?.devfn ?? 0 };
      const answer = await guest.request({ ...place, ...request });
      checks.that(!answer.timedOut, `${kind.name}: every request is answered`, `0x${request.cmd.toString(16)}`);
      return answer;
    };
    const read = (offset: number): Promise<GuestAnswer> => ask({ cmd: Command.confRead, offset, size: 4 });
    const model = platform.pci.model(bdf);
    if (report?.state === 4 || kind.mayLack === true)
      await kind.act({ soak, random, bdf, model, guest, device, ask, read });
    if (random.oneIn(2)) await within(guest.stop(), PATIENCE_MS);
  } finally {
    kind.after?.(soak, bdf);
    guest.crash();
    await platform.toolstack.destroy(domain);
  }
  await lookForRest(soak, domain, bdf, kind.name);
  kind.gone?.(soak, bdf);
};

/** Whether one process served all the time while something was done. */
export const calmly = async ({ soak }: Visit, work: () => Promise<void>): Promise<boolean> => {
  const isCalm = soak.keeper.watch();
  await work();
  return isCalm();
};

export const isRight = ({ model }: Visit, { err, value }: GuestAnswer): boolean =>
  err === Status.success && value >>> 0 === model.peek(0, 4) >>> 0;

export const told = ({ err, value }: GuestAnswer): string => `${statusName(err)} 0x${(value >>> 0).toString(16)}`;
