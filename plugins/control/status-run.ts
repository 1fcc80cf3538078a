// SPDX-License-Identifier: MIT

import { columns, folded, WIDTH } from '../columns.ts';
import { countOf } from '../histogram.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { ControlOperations, GuestStatus, StatusReport } from './operations.ts';
import { deviceRows, durationText, guestRows, listed, timeText } from './tables.ts';

const partRows = (parts: StatusReport['parts']): string[] =>
  columns([
    ['part', 'state', 'how it does'],
    ...parts.map(({ name, state, health, counters = {} }) => [
      name,
      state,
      [
        ...(health === undefined ? [] : [health]),
        ...Object.entries(counters).map(([what, count]) => `${count} ${what}`),
      ].join(', '),
    ]),
  ]);

const laneText = ({
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

const spanText = (seconds: number): string => (seconds < 60 ? `${seconds} s` : `${seconds / 60} min`);

const requestLines = ({ rates, answers }: StatusReport): string[] => [
  `requests a second: ${rates.map(({ seconds, requests }) => `${requests.toFixed(1)} (${spanText(seconds)})`).join(', ')}`,
  ...Object.entries(answers).flatMap(([thread, durations]) =>
    countOf(durations) === 0
      ? []
      : [`answered by the ${thread === 'lane' ? 'answering' : 'control'} thread: ${durationText(durations)}`],
  ),
];

const printJson = ({ print }: CommandContext, document: unknown): number => {
  print(JSON.stringify(document, undefined, 2));
  return 0;
};

const statusFor = async (context: CommandContext): Promise<StatusReport> =>
  (await context.control<ControlOperations>()).require('status', {});

/** @throws PcibackError `CONTROL_UNREACHABLE`, `USAGE` */
export const runStatus = async (context: CommandContext): Promise<number> => {
  const report = await statusFor(context);
  if (context.options.json === true) return printJson(context, report);
  const { pid, platform, file, uptimeSeconds, lane, guests, devices, parts } = report;
  const texts = [
    `pciback, process ${pid}, on platform ${platform}, for ${timeText(uptimeSeconds)}`,
    `rc file: ${file ?? 'none'}`,
    ...requestLines(report),
    ...(lane === undefined ? [] : [laneText(lane)]),
  ];
  const tables = ['', ...guestRows(guests), '', ...deviceRows(devices), '', ...partRows(parts)];
  for (const line of [...texts.flatMap((text) => folded(text, WIDTH)), ...tables]) context.print(line.trimEnd());
  return 0;
};

/** @throws PcibackError `CONTROL_UNREACHABLE`, `USAGE` */
export const runDevices = async (context: CommandContext): Promise<number> => {
  const { devices } = await statusFor(context);
  if (context.options.json === true) return printJson(context, { devices });
  for (const row of deviceRows(devices)) context.print(row);
  return 0;
};

const deniedText = ({ total, unrecorded }: GuestStatus['denied']): string =>
  total === 0
    ? 'none'
    : `${total} writes${unrecorded === 0 ? '' : `, ${unrecorded} of them without a place in the record`}`;

const guestLines = ({ domain, name, state, devices, requests, results, denied }: GuestStatus, all: StatusReport) => [
  ...columns([[`guest ${domain}`, `${name}, ${state}`]]),
  ...columns([
    ['  devices', devices.map((bdf) => placeText(bdf, all)).join(', ') || 'none'],
    ['  requests', listed(requests)],
    ['  results', listed(results)],
    ['  refused', deniedText(denied)],
  ]),
];

const placeText = (bdf: string, { devices }: StatusReport): string => {
  const vdev = devices.find((device) => device.bdf === bdf)?.vdev;
  return vdev === undefined ? bdf : `${bdf} at ${vdev}`;
};

/** @throws PcibackError `CONTROL_UNREACHABLE`, `USAGE` */
export const runGuests = async (context: CommandContext): Promise<number> => {
  const report = await statusFor(context);
  const { guests } = report;
  if (context.options.json === true) return printJson(context, { guests });
  const blocks = guests.map((guest) => guestLines(guest, report));
  for (const [index, lines] of blocks.entries()) {
    if (index > 0) context.print('');
    for (const line of lines) context.print(line);
  }
  if (guests.length === 0) context.print('no guest');
  return 0;
};
