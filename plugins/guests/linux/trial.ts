// SPDX-License-Identifier: MIT
// A real guest for devices, in seconds: boots a stock kernel with devices behind sockets, and shows what its drivers did.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Bdf } from '../../../core/bdf.ts';
import type { Assignment } from '../../../core/stub/index.ts';
import type { TrialHost, TrialResult, TrialTerms } from '../../kinds/guest-system.ts';
import { formatBdf } from '../../program/index.ts';
import { readGiven } from '../../read-text.ts';
import { assertTrusted } from '../../trust.ts';
import { type Boot, boot, MOST_DEVICES, section, TELL_PLACES } from './boot.ts';
import { driversFor } from './image.ts';
import { COUNT_INTERRUPTS, lostOf, type Raised, raiseAll, WAITS } from './interrupts.ts';
import { guestFolder, type Machine, type Say, setUp } from './machine.ts';
import { type Offering, offerDevices } from './offer.ts';
import { keepingRecorder } from './recorder.ts';
import { report, tellRefused } from './report.ts';
import { refuse } from './shell.ts';

const OTHERS = 'Give the dumps of functions that a guest can have, each of one device.';

const job = (interrupts: number): string => `
echo "=== begin lspci"; lspci -nn; echo "=== end lspci"
${TELL_PLACES}
load_modules
sleep 1
echo "=== begin drivers"; lspci -k; echo "=== end drivers"
[ ! -e /script ] || { echo "=== begin script"; sh /script; echo "=== end script"; }
${interrupts > 0 ? COUNT_INTERRUPTS : ''}
echo "=== begin kernel"; dmesg -r; echo "=== end kernel"
`;

const saying =
  ({ print }: TrialHost): Say =>
  (text) =>
    print(`guest: ${text}`);

/** @throws PcibackError `CONFIG_UNTRUSTED` where others could put what root would run, `GUEST_SYSTEM` */
const machineOf = async (say: Say): Promise<Machine> => {
  const folder = resolve(guestFolder());
  mkdirSync(folder, { recursive: true });
  await assertTrusted(folder);
  return setUp(folder, say);
};

export const prepare = async (host: TrialHost): Promise<void> => void (await machineOf(saying(host)));

/** Boots a guest with these devices. @throws PcibackError `GUEST_SYSTEM`, and what devices and quirks are refused for */
export const runTrial = async (terms: TrialTerms, host: TrialHost): Promise<TrialResult> => {
  const machine = await machineOf(saying(host));
  const place = mkdtempSync(join(tmpdir(), 'pciback-guest-'));
  try {
    const recorder = keepingRecorder();
    const { devices, quirks } = terms;
    const offering = await offerDevices({ place, devices, quirks, plugins: [recorder.plugin] });
    const spaces = followSpaces(offering);
    try {
      tellRefused(offering, host.print);
      const { length } = offering.offered;
      if (length === 0) refuse('no device is left that a guest could have', OTHERS);
      if (length > MOST_DEVICES) refuse(`a guest has place for ${MOST_DEVICES} devices, not ${length}`, OTHERS);
      const { ran, raised } = await bootWith(machine, place, offering, terms, host);
      const trial = { ran, offering, recorder, assignments: spaces.found };
      report(raised === undefined ? trial : { ...trial, raised }, terms.showsReads, host.print);
      return { done: ran.done, lost: lostOf(raised ?? [], (name) => section(ran.console, name)) };
    } finally {
      spaces.end();
      await offering.running.stop();
    }
  } finally {
    rmSync(place, { recursive: true });
  }
};

/** Milliseconds between two looks at who has which device. */
const LOOK_MS = 50;

/** Keeps the config spaces that clients had. */
const followSpaces = ({ running }: Offering): { readonly found: ReadonlyMap<Bdf, Assignment>; end(): void } => {
  const found = new Map<Bdf, Assignment>();
  const look = (): void => {
    for (const { bdf, assignment } of running.engine.stub.devices) {
      if (assignment !== undefined) found.set(bdf, assignment);
    }
  };
  const timer = setInterval(look, LOOK_MS);
  return { found, end: () => clearInterval(timer) };
};

const bootWith = async (
  machine: Machine,
  place: string,
  offering: Offering,
  terms: TrialTerms,
  host: TrialHost,
): Promise<{ readonly ran: Boot; readonly raised?: readonly ReadonlyMap<string, number>[] }> => {
  const { drivers, script, interrupts, seconds } = terms;
  const { offered } = offering;
  const identities = offered.map((one) => one.identity);
  const modules = drivers ?? driversFor(machine.modules, identities);
  host.print(`guest: ${offered.length} devices, modules ${modules.join(', ') || 'none'}`);
  const raisers = offered.map((one) => async () => {
    return (await offering.ask('inject-interrupt', { bdf: formatBdf(one.bdf) })) as Raised;
  });
  let raising: Promise<readonly ReadonlyMap<string, number>[]> | undefined;
  let text = '';
  const ran = await boot(machine, {
    place,
    devices: offered,
    modules,
    job: job(interrupts),
    files: script === undefined ? {} : { script: await readGiven(script) },
    seconds,
    signal: host.stop,
    onText: (data, type) => {
      text += data;
      if (interrupts > 0 && text.includes(WAITS)) raising ??= raiseAll(raisers, interrupts, type);
    },
  });
  const raised = await raising;
  return raised === undefined ? { ran } : { ran, raised };
};
