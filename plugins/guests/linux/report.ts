// SPDX-License-Identifier: MIT

import type { Bdf } from '../../../core/bdf.ts';
import type { Assignment } from '../../../core/stub/index.ts';
import { fatesOf, readsOf } from '../../fates.ts';
import { formatBdf } from '../../program/index.ts';
import { type Boot, guestAddresses, section } from './boot.ts';
import { countedOf } from './interrupts.ts';
import type { Offering } from './offer.ts';
import type { KeepingRecorder } from './recorder.ts';

/** What there is to tell of a trial. */
export interface Trial {
  readonly ran: Boot;
  readonly offering: Offering;
  readonly recorder: KeepingRecorder;
  /** As clients had the devices: what they were is told when the clients have gone. */
  readonly assignments: ReadonlyMap<Bdf, Assignment>;
  /** What came of raising interrupts, a device each; missing: none were raised. */
  readonly raised?: readonly ReadonlyMap<string, number>[];
}

const indented = (text: string): string =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');

/** Lines of a warning or worse, and those that name one of the devices. */
const kernelLog = (text: string, addresses: readonly string[]): string =>
  text
    .split('\n')
    .filter((line) => /^<[0-4]>/.test(line) || addresses.some((one) => line.includes(one)))
    .map((line) => line.replace(/^<\d+>/, ''))
    .join('\n');

/** Lines of the console that show why a guest did not come up, or to its end. */
const LAST_LINES = 20;
const lastOf = (console: string): string => console.trimEnd().split('\n').slice(-LAST_LINES).join('\n');

const interruptLines = ({ ran, offering, raised = [] }: Trial): readonly string[] => {
  const lines = offering.offered.map(({ name }, index) => {
    const words = [...(raised[index] ?? [])].map(([what, count]) => `${count}x ${what}`);
    return `${name}: ${words.join(', ') || 'nothing'}`;
  });
  const counted = countedOf((name) => section(ran.console, name)).map(({ what, count }) => `+${count}  ${what}`);
  return ['the devices raised', ...lines, "the guest's /proc/interrupts counted", ...counted];
};

/**
 * Prints what a guest did with its devices.
 *
 * @param showsReads reads too, not only writes
 */
export const report = (trial: Trial, showsReads: boolean, print: (text: string) => void): void => {
  const { ran, offering, recorder, assignments, raised } = trial;
  if (!ran.up) {
    print(ran.said.trimEnd());
    print(lastOf(ran.console));
    print('guest: it never came up');
    return;
  }
  const at = guestAddresses(ran.console);
  const part = (title: string, text: string): void => print(`\n${title}\n${indented(text)}`);
  part('what the kernel found', section(ran.console, 'lspci'));
  part('drivers', section(ran.console, 'drivers'));
  for (const [index, { name, bdf }] of offering.offered.entries()) {
    const accesses = recorder.of(bdf);
    const assignment = assignments.get(bdf);
    const writes = accesses.filter((one) => one.kind === 'write').length;
    const place = at.get(index) ?? 'not found';
    print(`\n${name}, ${place} in the guest: ${accesses.length - writes} reads, ${writes} writes`);
    if (assignment === undefined) continue;
    for (const text of fatesOf(accesses, assignment.space)) print(`    ${text}`);
    if (showsReads) print(`    reads by register: ${readsOf(accesses)}`);
  }
  const script = section(ran.console, 'script');
  if (script !== '') part('script', script);
  if (raised !== undefined) part('interrupts', interruptLines(trial).join('\n'));
  const log = kernelLog(section(ran.console, 'kernel'), [...at.values()]);
  part('kernel log: warnings and worse, and what names the devices', log || '(nothing)');
  // A driver that brings its kernel down is what somebody wanted to know.
  if (!ran.done) part('it did not come to its end; the last of its console', lastOf(ran.console));
  if (ran.said.trim() !== '') part('emulator', ran.said);
  for (const { kind, message, facts } of offering.log) print(`pciback ${kind}: ${message} ${JSON.stringify(facts)}`);
  print(`guest: ${ran.seconds.toFixed(1)} s from start to power-off`);
};

/** Says which devices no guest can have. */
export const tellRefused = ({ refused }: Offering, print: (text: string) => void): void => {
  for (const { name, bdf, why } of refused) print(`guest: ${name} ${formatBdf(bdf)} is not offered: ${why}`);
};
