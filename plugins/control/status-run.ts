// SPDX-License-Identifier: MIT

import { hex } from '../../core/bdf.ts';
import { fail } from '../../core/errors/index.ts';
import type { CommandContext } from '../../core/plugin/index.ts';
import { columns } from '../columns.ts';
import { configure, overridesOf } from '../commands/setup.ts';
import { ControlClient, type StatusReport } from './index.ts';

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
  const { config } = await configure(overridesOf(context.options));
  if (config.control === false) {
    const what = 'the rc file says "control: false", so the running pciback cannot be asked';
    return fail('USAGE', { what, nearest: undefined });
  }
  const report = await new ControlClient(config.control).require('status', {});
  if (context.options.json === true) {
    context.print(JSON.stringify(report, undefined, 2));
    return 0;
  }
  context.print(`pciback, process ${report.pid}, on platform ${report.platform}`);
  if (report.lane !== undefined) context.print(laneRow(report.lane));
  for (const row of ['', ...guestRows(report.guests), '', ...deviceRows(report.devices)]) context.print(row);
  return 0;
};
