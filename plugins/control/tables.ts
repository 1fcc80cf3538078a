// SPDX-License-Identifier: MIT

import { columns, cut } from '../columns.ts';
import { boundOf, boundText, countOf, type Durations } from '../histogram.ts';
import type { DeviceStatus, GuestStatus } from './operations.ts';

/** Characters of a guest's name in a table. */
const LONGEST_NAME = 16;
/** What every guest has without an rc file, so that it is not worth a word. */
const USUAL_POLICY = 'strict';

export const nameOf = (name: string): string => cut(name, LONGEST_NAME);

export const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((all, one) => all + one, 0);

/** `conf_read 1204, conf_write 12`. */
export const listed = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'none';

/** `3 d 4:05:06`, `0:12:03`. */
export const timeText = (seconds: number): string => {
  const two = (part: number): string => String(Math.floor(part)).padStart(2, '0');
  const days = Math.floor(seconds / 86_400);
  const clock = `${Math.floor((seconds % 86_400) / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`;
  return days === 0 ? clock : `${days} d ${clock}`;
};

/** `half of them within 4 µs, 99 % within 16 µs`; empty when there were none. */
export const durationText = (durations: Durations): string => {
  const [half, most] = [boundOf(durations, 0.5), boundOf(durations, 0.99)];
  if (countOf(durations) === 0 || half === undefined || most === undefined) return '';
  return `half of them within ${boundText(half)}, 99 % within ${boundText(most)}`;
};

/** What is out of the ordinary about a device. */
const remarksOf = (device: DeviceStatus): string[] => [
  ...(device.unhandled === 'permissive' ? ['permissive'] : []),
  ...(device.interrupts === undefined || device.interrupts === USUAL_POLICY
    ? []
    : [`interrupts: ${device.interrupts}`]),
  ...(device.allowInterruptControl === true ? ['may control its interrupts'] : []),
  ...(device.fenced === undefined ? [] : [`fenced: ${device.fenced}`]),
  ...(device.quarantine === undefined ? [] : [`quarantined: ${device.quarantine}`]),
  ...(device.lineRefused === undefined ? [] : [`no line interrupt: ${device.lineRefused}`]),
];

/** A row for each device. */
export const deviceRows = (devices: readonly DeviceStatus[]): string[] =>
  devices.length === 0
    ? ['no device is seized']
    : columns([
        ['device', 'id', 'guest', 'there at', 'what'],
        ...devices.map((device) => [
          device.bdf,
          `${device.vendor}:${device.device}`,
          device.guest === undefined ? '-' : String(device.guest),
          device.vdev ?? '-',
          [device.what, ...remarksOf(device)].join('; '),
        ]),
      ]);

/** A row for each guest. */
export const guestRows = (guests: readonly GuestStatus[]): string[] =>
  guests.length === 0
    ? ['no guest']
    : columns([
        ['guest', 'name', 'state', 'requests', 'refused', 'devices'],
        ...guests.map(({ domain, name, state, requests, denied, devices }) => [
          String(domain),
          nameOf(name),
          state,
          String(sum(requests)),
          String(denied.total),
          devices.join(' ') || 'none',
        ]),
      ]);
