// SPDX-License-Identifier: MIT

import { styleText } from 'node:util';
import { formatBdf, hex } from '../../core/bdf.ts';
import type { Denial } from '../../core/space/denials.ts';
import { columns, WIDTH } from '../columns.ts';
import { capabilityName, className, extendedName, sizeName } from '../pci-names.ts';
import type { GuestBar, GuestDevice } from '../program/index.ts';
import { fitText, missText, type QuirkMiss } from '../quirk-fits.ts';
import type { DemoGroup } from './demo-run.ts';

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);

const totalsOf = (groups: readonly DemoGroup[]) => ({
  guests: groups.filter((group) => group.devices.length > 0).length,
  devices: groups.reduce((total, group) => total + group.devices.length, 0),
  requests: groups.reduce((total, group) => total + sum(group.requests), 0),
  deniedWrites: groups.reduce((total, group) => total + group.denials.length, 0),
  leftHeld: groups.reduce((total, group) => total + sum({ ...group.ledger }), 0),
});

const ids = (vendor: number, device: number): string => `${hex(vendor, 4)}:${hex(device, 4)}`;
const at = (value: number): string => `0x${value.toString(16)}`;

const deviceDocument = (seen: GuestDevice) => ({
  vdev: seen.vdev,
  class: hex(seen.class, 6),
  className: className(seen.class),
  vendor: hex(seen.vendor, 4),
  device: hex(seen.device, 4),
  subsystem: ids(seen.subsystemVendor, seen.subsystemDevice),
  revision: hex(seen.revision, 2),
  bars: seen.bars.map((bar) => ({ ...bar, start: at(bar.start) })),
  capabilities: seen.capabilities.map(({ id, offset }) => ({ id, name: capabilityName(id), offset: at(offset) })),
  extended: seen.extended.map(({ id, offset }) => ({ id, name: extendedName(id), offset: at(offset) })),
  interrupts: {
    kind: seen.driver?.interrupts ?? 'none',
    vectors: seen.driver?.vectors ?? [],
    refused: seen.driver?.refused ?? [],
  },
});

/** Quirks that are for no device of any guest: what is said of the group that comes nearest, the one with devices. */
const unmatchedIn = (groups: readonly DemoGroup[]): readonly QuirkMiss[] => {
  const served = groups.filter((group) => group.devices.length > 0);
  const [first, ...others] = served;
  const missing = first?.unmatched.filter(({ name }) =>
    others.every((one) => one.unmatched.some((miss) => miss.name === name)),
  );
  return (missing ?? []).map((miss) => {
    const all = served.flatMap(({ unmatched }) => unmatched.filter(({ name }) => name === miss.name));
    return all.reduce((best, one) => (one.away < best.away ? one : best), miss);
  });
};

const denialDocument = (denial: Denial) => ({
  ...denial,
  bdf: formatBdf(denial.bdf),
  offset: at(denial.offset),
  value: at(denial.value),
  mask: at(denial.mask),
});

/** The demo as one JSON document: addresses as text, registers hexadecimal, sizes in bytes. */
export const demoDocument = (groups: readonly DemoGroup[]) => ({
  groups: groups.map((group) => ({
    ...group,
    skipped: group.skipped.map((one) => ({
      bdf: formatBdf(one.function.bdf),
      class: hex(one.function.class, 6),
      className: className(one.function.class),
      vendor: hex(one.function.vendor, 4),
      device: hex(one.function.device, 4),
      why: one.why,
    })),
    devices: group.devices.map(({ seen, host }) => ({
      host: formatBdf(host),
      ...deviceDocument(seen),
      quirks: group.quirks.get(host) ?? [],
    })),
    quirks: undefined,
    unmatched: undefined,
    denials: group.denials.map(denialDocument),
  })),
  unmatchedQuirks: unmatchedIn(groups).map(({ name, origin, why }) => ({ name, origin, why })),
  summary: totalsOf(groups),
});

/** `00:03.0`; the segment only where it is not 0. */
const shortAddress = (text: string): string => text.replace(/^0000:/, '');

const kinds: Readonly<Record<GuestBar['kind'], string>> = {
  io: 'I/O ports',
  memory32: 'memory, 32-bit',
  memory64: 'memory, 64-bit',
  rom: 'ROM',
};

const barLine = (bar: GuestBar): string => {
  const name = bar.index === 6 ? 'ROM  ' : `BAR ${bar.index}`;
  const kind = bar.index === 6 ? '' : `, ${kinds[bar.kind]}${bar.prefetchable ? ', prefetchable' : ''}`;
  return `${name} at ${at(bar.start)}, size ${sizeName(bar.size)}${kind}`;
};

const interruptLine = ({ driver }: GuestDevice): string => {
  if (driver === undefined) return 'interrupts: no driver';
  const { vectors, refused } = driver;
  const names = { msix: 'MSI-X', msi: 'MSI', line: 'line', none: 'none' } as const;
  const pirqs = vectors.length === 0 ? '' : `, PIRQ ${vectors.join(', ')}`;
  return `interrupts: ${names[driver.interrupts]}${pirqs}${refused.length === 0 ? '' : ` (${refused.join('; ')})`}`;
};

const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));

const counted = (counts: Readonly<Record<string, number>>): string[] =>
  columns(Object.entries(counts).map(([name, count]) => [name, String(count)]));

const denialRow = (denial: Denial): string[] => [
  formatBdf(denial.bdf),
  // As `pciback explain` takes it.
  `0x${hex(denial.offset, 3)}:${denial.size}`,
  `0x${hex(denial.value, denial.size * 2)}`,
  `bits 0x${hex(denial.mask, denial.size * 2)}`,
  `${denial.count}x`,
  `${denial.owner}: ${denial.why}`,
];

/** Prints the demo for people. */
export const printDemo = (groups: readonly DemoGroup[], print: (line: string) => void): void => {
  const bold = (text: string): string => (process.stdout.isTTY ? styleText('bold', text) : text);
  for (const group of groups) {
    print(bold(`${group.name}: ${group.devices.length} devices in a guest`));
    for (const note of group.notes) print(`  note: ${note}`);
    for (const one of group.skipped) {
      const { bdf, class: code, vendor, device } = one.function;
      print(`  skipped ${formatBdf(bdf)} ${className(code)} ${ids(vendor, device)}: ${one.why}`);
    }
    for (const { seen, host } of group.devices) {
      const name = `${className(seen.class)} [${hex(seen.class >>> 8, 4)}]: ${ids(seen.vendor, seen.device)}`;
      print(`\n  ${bold(shortAddress(seen.vdev))} ${name}  ← host ${formatBdf(host)}`);
      for (const bar of seen.bars) print(`      ${barLine(bar)}`);
      const capabilities = seen.capabilities.map(({ id, offset }) => `${capabilityName(id)} ${at(offset)}`);
      print(`      capabilities: ${listed(capabilities)}`);
      if (seen.extended.length > 0) {
        print(`      extended: ${listed(seen.extended.map(({ id, offset }) => `${extendedName(id)} ${at(offset)}`))}`);
      }
      print(`      ${interruptLine(seen)}`);
      for (const fit of group.quirks.get(host) ?? []) print(`      quirk ${fitText(fit)}`);
    }
    if (group.devices.length > 0) {
      print('\n  requests answered');
      for (const line of counted(group.requests)) print(`      ${line}`);
      print('  answers');
      for (const line of counted(group.answers)) print(`      ${line}`);
      print(`  writes denied: ${group.denials.length}`);
      for (const line of columns(group.denials.map(denialRow), WIDTH - 6)) print(`      ${line}`);
    }
    print('');
  }
  for (const miss of unmatchedIn(groups)) print(`quirk ${missText(miss)}`);
  const totals = totalsOf(groups);
  const left =
    totals.leftHeld === 0 ? 'nothing is left mapped, bound or assigned' : `${totals.leftHeld} things are left held`;
  print(
    bold(
      `${totals.guests} guests, ${totals.devices} devices, ${totals.requests} requests answered, ${totals.deniedWrites} kinds of writes denied; ${left}.`,
    ),
  );
};
