// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf, hex } from '../../core/bdf.ts';
import type { Engine, GuestReport } from '../../core/pciback.ts';
import { BOUNDS_MS, countOf, type Durations, NO_DURATIONS } from '../histogram.ts';
import { reportingAnswerer } from '../kinds/answerer.ts';
import type { PartContext } from '../kinds/part.ts';
import { answerTimes, MEASURES, type Measures } from '../measures.ts';

export interface Sample {
  /** Behind the name of the family, for histograms. */
  readonly suffix?: '_bucket' | '_sum' | '_count';
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One metric with all its series. */
export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly samples: readonly Sample[];
}

type Rows = readonly (readonly [labels: Sample['labels'], value: number])[];

const family = (type: 'counter' | 'gauge', name: string, help: string, rows: Rows): Family => ({
  name: `pciback_${name}`,
  type,
  help,
  samples: rows.map(([labels, value]) => ({ labels, value })),
});

const histogram = (thread: string, durations: Durations): Sample[] => {
  let below = 0;
  const buckets = durations.counts.map((count, index): Sample => {
    below += count;
    const bound = BOUNDS_MS[index];
    const le = bound === undefined ? '+Inf' : String(Math.round(bound * 1000) / 1e6);
    return { suffix: '_bucket', labels: { thread, le }, value: below };
  });
  return [
    ...buckets,
    { suffix: '_sum', labels: { thread }, value: durations.sumMs / 1000 },
    { suffix: '_count', labels: { thread }, value: countOf(durations) },
  ];
};

const guestFamilies = (guests: readonly GuestReport[]): Family[] => {
  const rows = (of: (guest: GuestReport) => Readonly<Record<string, number>>, label: string): Rows =>
    guests.flatMap((guest) =>
      Object.entries(of(guest)).map(
        ([name, count]) => [{ guest: String(guest.domain), [label]: name }, count] as const,
      ),
    );
  return [
    family('gauge', 'guests', 'Guests that are known now.', [[{}, guests.length]]),
    family(
      'gauge',
      'guest_info',
      'Name and back-end state of each guest; always 1.',
      guests.map(({ domain, name, state }) => [{ guest: String(domain), name, state }, 1]),
    ),
    family(
      'counter',
      'requests_total',
      'Requests of each guest by their kind.',
      rows((one) => one.requests, 'kind'),
    ),
    family(
      'counter',
      'answers_total',
      'Answers to each guest by their result.',
      rows((one) => one.errors, 'result'),
    ),
    family(
      'counter',
      'denied_writes_total',
      'Writes refused to each guest, by device and register.',
      deniedRows(guests),
    ),
    family(
      'counter',
      'denied_writes_unrecorded_total',
      'Refused writes of each guest for which its record has no place.',
      guests.map(({ domain, denied }) => [{ guest: String(domain) }, denied.unrecorded]),
    ),
  ];
};

/** The record tells apart by size, bits and rule too; here they are one. */
const deniedRows = (guests: readonly GuestReport[]): Rows => {
  const all = new Map<string, [Sample['labels'], number]>();
  for (const { domain, denials } of guests) {
    for (const { bdf, offset, owner, count } of denials) {
      const labels = { guest: String(domain), device: formatBdf(bdf), register: `0x${hex(offset, 2)}`, owner };
      const key = JSON.stringify(labels);
      all.set(key, [labels, count + (all.get(key)?.[1] ?? 0)]);
    }
  }
  return [...all.values()];
};

const deviceFamilies = ({ stub }: Engine, resets: ReadonlyMap<Bdf, number>): Family[] => {
  const counts = { free: 0, assigned: 0, fenced: 0, quarantined: 0 };
  for (const { assignment, quarantine } of stub.devices) {
    const isFenced = assignment?.fenced !== undefined;
    const state = isFenced ? 'fenced' : assignment ? 'assigned' : quarantine === undefined ? 'free' : 'quarantined';
    counts[state]++;
  }
  return [
    family(
      'gauge',
      'devices',
      'Seized devices by their state.',
      Object.entries(counts).map(([state, count]) => [{ state }, count]),
    ),
    family(
      'counter',
      'resets_total',
      'Resets of each device that were begun.',
      [...resets].map(([bdf, count]) => [{ device: formatBdf(bdf) }, count]),
    ),
  ];
};

const laneFamilies = ({ platform }: Engine): Family[] => {
  // Where there is no answering thread it has done nothing.
  const none = { guests: 0, watchedMs: 0, wakeMs: 0, found: 0, inVain: 0, wakes: 0 };
  const { guests, watchedMs, wakeMs, found, inVain, wakes } = reportingAnswerer(platform)?.report() ?? none;
  return [
    family('gauge', 'lane_guests', 'Guests that the answering thread serves.', [[{}, guests]]),
    family('counter', 'lane_watched_seconds_total', 'Time of one processor that it has spent on watching pages.', [
      [{}, watchedMs / 1000],
    ]),
    family('gauge', 'lane_wakeup_seconds', 'What a wake-up of it takes on this host; 0: not measured.', [
      [{}, wakeMs / 1000],
    ]),
    family('counter', 'lane_wakeups_total', 'Wake-ups of it.', [[{}, wakes]]),
    family('counter', 'lane_found_total', 'Requests that it has found by watching.', [[{}, found]]),
    family('counter', 'lane_watches_in_vain_total', 'Times that it watched and no request came.', [[{}, inVain]]),
  ];
};

const programFamilies = ({ engine, parts, part }: PartContext, measures: Measures | undefined): Family[] => {
  const { loaded, hooks } = engine.plugins;
  const { wall } = hooks;
  // Quirks are data: only one with code can fail.
  const accounts = loaded
    .map(({ name, kind }) => ({ name, kind, ...wall.usage(name) }))
    .filter(({ kind, faults }) => kind === 'plugin' || faults > 0);
  const reports = parts();
  const { lagMs, worstLagMs } = (part('loop') ?? {}) as { readonly lagMs?: number; readonly worstLagMs?: number };
  const seconds = (ms: number | undefined): Rows => (ms === undefined ? [] : [[{}, ms / 1000]]);
  return [
    family('gauge', 'info', 'The platform that pciback runs on; always 1.', [[{ platform: engine.platform.name }, 1]]),
    family(
      'counter',
      'log_lines_held_back_total',
      'Lines about guests that were left out of the log because there were too many.',
      Object.entries(measures?.heldBack() ?? {}).map(([level, count]) => [{ level }, count]),
    ),
    family(
      'counter',
      'plugin_faults_total',
      'Faults of each plugin.',
      accounts.map(({ name, faults }) => [{ plugin: name }, faults]),
    ),
    family(
      'counter',
      'plugin_seconds_total',
      'Time spent in the code of each plugin, without reads and writes of behaviours.',
      accounts.map(({ name, ms }) => [{ plugin: name }, ms / 1000]),
    ),
    family(
      'gauge',
      'part_running',
      'Whether each part runs.',
      reports.map(({ name, state }) => [{ part: name }, state === 'running' ? 1 : 0]),
    ),
    family(
      'gauge',
      'part_value',
      'The counters of each part, as pciback status shows them.',
      reports.flatMap(({ name, counters = {} }) =>
        Object.entries(counters).map(([what, count]) => [{ part: name, what }, count] as const),
      ),
    ),
    family(
      'gauge',
      'control_loop_lag_seconds',
      'By how much the last turn of the control loop was late.',
      seconds(lagMs),
    ),
    family(
      'gauge',
      'control_loop_worst_lag_seconds',
      'The same of the worst turn since the start.',
      seconds(worstLagMs),
    ),
  ];
};

/** Under the names that every program has for them. */
const processFamilies = (): Family[] => {
  const { user, system } = process.cpuUsage();
  const one = (type: 'counter' | 'gauge', name: string, help: string, value: number): Family => {
    return { name, type, help, samples: [{ labels: {}, value }] };
  };
  return [
    one('gauge', 'process_start_time_seconds', 'When the process started.', Date.now() / 1000 - process.uptime()),
    one('counter', 'process_cpu_seconds_total', 'Time of processors that it has used.', (user + system) / 1e6),
    one('gauge', 'process_resident_memory_bytes', 'Memory that it has.', process.memoryUsage.rss()),
  ];
};

/** Everything that is counted, now. What guests name stands in labels only. */
export const familiesOf = (context: PartContext, resets: ReadonlyMap<Bdf, number>): Family[] => {
  const { engine, part } = context;
  const measures = part(MEASURES) as Measures | undefined;
  const { control, lane } = answerTimes(measures?.answers() ?? NO_DURATIONS, engine.platform);
  return [
    ...guestFamilies(engine.guests()),
    {
      name: 'pciback_request_duration_seconds',
      type: 'histogram',
      help: 'Time from the moment at which a request was seen until its guest was told, by the thread that answered.',
      samples: [...histogram('control', control), ...histogram('lane', lane)],
    },
    ...deviceFamilies(engine, resets),
    ...laneFamilies(engine),
    ...programFamilies(context, measures),
    ...processFamilies(),
  ];
};
