// SPDX-License-Identifier: MIT

import { hex } from '../../core/bdf.ts';
import { columns } from '../columns.ts';
import { boundOf, boundText, countOf, NO_DURATIONS, since, together } from '../histogram.ts';
import type { GuestStatus, RefusedStatus, WatchReport } from './operations.ts';
import { durationText, nameOf, sum, timeText } from './tables.ts';

/** Refused registers that are shown. */
const MOST_REFUSED = 8;

/** What has happened between two looks, a second. */
export interface Changes {
  /** Between the two. */
  readonly seconds: number;
  readonly guests: readonly {
    readonly domain: number;
    readonly name: string;
    readonly state: string;
    readonly requests: number;
    readonly refused: number;
  }[];
  readonly devices: number;
  readonly requests: number;
  readonly refused: number;
  /** Bounds in milliseconds within which half and 99 % of the requests were answered; missing: there were none. */
  readonly medianMs?: number;
  readonly p99Ms?: number;
  /** Part of one processor that the answering thread has spent on watching; missing: there is none. */
  readonly lane?: number;
  /** Registers at which writes were refused since. */
  readonly registers: readonly RefusedStatus[];
}

const keyOf = ({ guest, bdf, offset, size, owner, why }: RefusedStatus): string =>
  [guest, bdf, offset, size, owner, why].join(' ');

/** Those of the same register have one count. */
const byRegister = (refused: readonly RefusedStatus[]): Map<string, RefusedStatus> => {
  const all = new Map<string, RefusedStatus>();
  for (const one of refused) {
    const key = keyOf(one);
    all.set(key, { ...one, count: one.count + (all.get(key)?.count ?? 0) });
  }
  return all;
};

/** @param before missing: what there was of all before the start */
export const changesOf = (now: WatchReport, before: WatchReport | undefined, seconds: number): Changes => {
  // A guest that has come back under its number counts anew.
  const rate = (count: number, earlier = 0): number => (count >= earlier ? count - earlier : count) / seconds;
  const all = ({ answers }: WatchReport) => together(answers.control, answers.lane);
  const durations = since(all(now), before === undefined ? NO_DURATIONS : all(before));
  const guests = now.guests.map(({ domain, name, state, requests, denied }: GuestStatus) => {
    const then = before?.guests.find((guest) => guest.domain === domain);
    return {
      domain,
      name,
      state,
      requests: rate(sum(requests), then && sum(then.requests)),
      refused: rate(denied.total, then?.denied.total),
    };
  });
  const [medianMs, p99Ms] = [boundOf(durations, 0.5), boundOf(durations, 0.99)];
  const earlier = byRegister(before?.refused ?? []);
  const registers = [...byRegister(now.refused)].flatMap(([key, one]) => {
    const count = one.count - (earlier.get(key)?.count ?? 0);
    return count > 0 ? [{ ...one, count }] : [];
  });
  return {
    seconds,
    guests,
    devices: now.devices.length,
    requests: countOf(durations) / seconds,
    refused: guests.reduce((most, { refused }) => most + refused, 0),
    ...(medianMs === undefined ? {} : { medianMs }),
    ...(p99Ms === undefined ? {} : { p99Ms }),
    ...(now.lane === undefined ? {} : { lane: rate(now.lane.watchedMs, before?.lane?.watchedMs) / 1000 }),
    registers,
  };
};

/** With a decimal only where it tells something. */
const rateText = (value: number): string => value.toFixed(value < 100 ? 1 : 0);

/** The line for one interval: `04:00:01Z guests 1, req/s 12.0 (50 % 4 µs, 99 % 16 µs), refused/s 0.0`. */
export const lineOf = ({ guests, requests, refused, medianMs, p99Ms }: Changes, time: Date): string => {
  const times =
    medianMs === undefined || p99Ms === undefined ? '' : ` (50 % ${boundText(medianMs)}, 99 % ${boundText(p99Ms)})`;
  const what = `guests ${guests.length}, req/s ${rateText(requests)}${times}, refused/s ${rateText(refused)}`;
  return `${time.toISOString().slice(11, 19)}Z ${what}`;
};

const registerText = ({ offset, size }: RefusedStatus): string => `0x${hex(offset, 2)}:${size}`;

const refusedRows = (report: WatchReport, changes: Changes | undefined): string[] => {
  const recent = changes === undefined ? [] : changes.registers;
  const shown = (recent.length > 0 ? recent : [...byRegister(report.refused).values()])
    .toSorted((one, other) => other.count - one.count)
    .slice(0, MOST_REFUSED);
  if (shown.length === 0) return ['no write was refused'];
  const title = recent.length > 0 ? 'refused just now' : 'refused so far';
  const rows = shown.map((one) => [
    String(one.guest),
    one.bdf,
    registerText(one),
    String(one.count),
    `${one.owner}: ${one.why}`,
  ]);
  return [`${title}:`, ...columns([['guest', 'device', 'register', 'writes', 'owner, and why'], ...rows])];
};

/** The whole picture. @param changes missing: there was one look only */
export const frame = (report: WatchReport, changes: Changes | undefined, interval: number): string[] => {
  const { pid, platform, uptimeSeconds, guests, answers, devices } = report;
  const rate = (value: number | undefined): string => (value === undefined ? '-' : rateText(value));
  const held = devices.filter(({ guest }) => guest !== undefined).length;
  const rows = guests.map(({ domain, name, state, requests, denied }) => {
    const change = changes?.guests.find((guest) => guest.domain === domain);
    return [
      String(domain),
      nameOf(name),
      state,
      rate(change?.requests),
      rate(change?.refused),
      String(sum(requests)),
      String(denied.total),
    ];
  });
  return [
    `pciback, process ${pid}, on platform ${platform}, for ${timeText(uptimeSeconds)}; every ${interval} s, ^C ends`,
    `requests/s ${rate(changes?.requests)}${latencyText(changes)}, refused/s ${rate(changes?.refused)}`,
    `since the start: ${durationText(together(answers.control, answers.lane)) || 'no request'}`,
    ...(changes?.lane === undefined
      ? []
      : [`answering thread: ${(changes.lane * 100).toFixed(1)} % of a processor spent on watching`]),
    `devices: ${devices.length}, ${held} of them with guests`,
    '',
    ...(rows.length === 0
      ? ['no guest']
      : columns([['guest', 'name', 'state', 'requests/s', 'refused/s', 'requests', 'refused'], ...rows])),
    '',
    ...refusedRows(report, changes),
  ];
};

const latencyText = (changes: Changes | undefined): string =>
  changes?.medianMs === undefined || changes.p99Ms === undefined
    ? ''
    : ` (half in ${boundText(changes.medianMs)}, 99 % in ${boundText(changes.p99Ms)})`;
