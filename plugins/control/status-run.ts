// SPDX-License-Identifier: MIT

import { hex } from '../../core/bdf.ts';
import { columns } from '../columns.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { ControlOperations, StatusReport } from './operations.ts';

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((all, one) => all + one, 0);

const guestRows = (guests: StatusReport['guests']): string[] =>
  guests.length === 0
    ? ['no guest']
    : columns([
        ['guest', 'name', 'state', 'requests', 'refused writes', 'devices'],
        ...guests.map(({ domain, name, state, requests, denied, devices }) => [
          String(domain),
          name,
          state,
          String(sum(requests)),
          String(denied.total),
          devices.join(' ') || 'none',
        ]),
      ]);

/** What is out of the ordinary about a device. */
const remarks = (device: StatusReport['devices'][number]): string =>
  [
    device.unhandled === 'permissive' ? 'permissive' : '',
    device.allowInterruptControl === true ? 'may control its interrupts' : '',
    device.fenced === undefined ? '' : `fenced: ${device.fenced}`,
    device.quarantine === undefined ? '' : `quarantined: ${device.quarantine}`,
    device.lineRefused === undefined ? '' : `no line interrupt: ${device.lineRefused}`,
  ]
    .filter((remark) => remark !== '')
    .join('; ');

const deviceRows = (devices: StatusReport['devices']): string[] =>
  devices.length === 0
    ? ['no device']
    : columns([
        ['device', 'id', 'guest', 'interrupts', ''],
        ...devices.map((device) => [
          device.bdf,
          `${hex(device.vendor, 4)}:${hex(device.device, 4)}`,
          device.guest === undefined ? '-' : String(device.guest),
          device.interrupts ?? '-',
          remarks(device),
        ]),
      ]).map((row) => row.trimEnd());

const counted = (counters: Readonly<Record<string, number>> = {}): string[] =>
  Object.entries(counters).map(([name, count]) => `${count} ${name}`);

const partRows = (parts: StatusReport['parts']): string[] =>
  columns([
    ['part', 'state', ''],
    ...parts.map(({ name, state, health, counters }) => [
      name,
      state,
      [...(health === undefined ? [] : [health]), ...counted(counters)].join(', '),
    ]),
  ]).map((row) => row.trimEnd());

const laneRow = ({
  guests,
  urgent,
  watchedMs,
  wakeMs,
  found,
  inVain,
  wakes,
}: NonNullable<StatusReport['lane']>): string =>
  `answering thread: ${guests} guests, ${wakes} wake-ups of ${wakeMs.toFixed(2)} ms, ${found} requests found by watching, ` +
  `${inVain} watches in vain, ${(watchedMs / 1000).toFixed(1)} s of one CPU spent on it${urgent ? ', goes before other programs' : ''}`;

/** @throws PcibackError `CONTROL_UNREACHABLE`, `USAGE` */
export const runStatus = async (context: CommandContext): Promise<number> => {
  const report = await (await context.control<ControlOperations>()).require('status', {});
  if (context.options.json === true) {
    context.print(JSON.stringify(report, undefined, 2));
    return 0;
  }
  context.print(`pciback, process ${report.pid}, on platform ${report.platform}`);
  if (report.lane !== undefined) context.print(laneRow(report.lane));
  const { guests, devices, parts } = report;
  for (const row of ['', ...guestRows(guests), '', ...deviceRows(devices), '', ...partRows(parts)]) context.print(row);
  return 0;
};
