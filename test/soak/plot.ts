// SPDX-License-Identifier: MIT

import type { Sample } from './memory.ts';

const WIDTH = 860;
const HEIGHT = 340;
const LEFT = 60;
const RIGHT = 90;
const TOP = 46;
const BOTTOM = 44;
const MIB = 1024 * 1024;
const lines = [
  { name: 'resident', colour: '#2563a8', of: ({ rss }: Sample) => rss / MIB },
  { name: 'heap', colour: '#b5651d', of: ({ heap }: Sample) => heap / MIB },
];

const round = (value: number): number => Math.round(value * 10) / 10;
const text = (x: number, y: number, content: string, more = ''): string =>
  `<text x="${round(x)}" y="${round(y)}" ${more}>${content}</text>`;
const nice = (most: number): number => [10, 20, 25, 50, 100, 200, 500].find((step) => most / step <= 6) ?? 1000;

/** Samples of one process after the other. */
const byProcess = (samples: readonly Sample[]): readonly (readonly Sample[])[] => {
  const runs: Sample[][] = [];
  for (const sample of samples) {
    const run = runs.at(-1);
    if (run !== undefined && run[0]?.pid === sample.pid) run.push(sample);
    else runs.push([sample]);
  }
  return runs;
};

/** The memory of the process that serves over time, as SVG. @param samples in their order */
export const memoryChart = (samples: readonly Sample[]): string => {
  const end = Math.max(60, ...samples.map(({ seconds }) => seconds));
  const step = nice(Math.max(10, ...samples.map(({ rss }) => rss / MIB)));
  const top = step * Math.ceil(Math.max(10, ...samples.map(({ rss }) => rss / MIB)) / step);
  const x = (seconds: number): number => LEFT + ((WIDTH - LEFT - RIGHT) * seconds) / end;
  const y = (mib: number): number => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * mib) / top;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    '<title>Memory of the process that serves, while everything goes wrong</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(
      12,
      22,
      'Memory of the process that serves, after a collection; a gap: another process',
      'font-size="15" font-weight="bold" fill="#1b1f24"',
    ),
  ];
  for (let mib = 0; mib <= top; mib += step) {
    out.push(`<line x1="${LEFT}" y1="${round(y(mib))}" x2="${WIDTH - RIGHT}" y2="${round(y(mib))}" stroke="#e3e6ea"/>`);
    out.push(text(LEFT - 8, y(mib) + 4, `${mib}`, 'text-anchor="end" fill="#59626c"'));
  }
  const minutes = Math.max(1, Math.ceil(end / 60 / 12));
  for (let minute = 0; minute * 60 <= end; minute += minutes) {
    out.push(text(x(minute * 60), HEIGHT - BOTTOM + 18, `${minute}`, 'text-anchor="middle" fill="#59626c"'));
  }
  out.push(text(LEFT, HEIGHT - 8, 'minutes', 'fill="#59626c"'), text(12, TOP - 8, 'MiB', 'fill="#59626c"'));
  for (const { name, colour, of } of lines) {
    for (const run of byProcess(samples)) {
      const points = run.map((sample) => `${round(x(sample.seconds))},${round(y(of(sample)))}`);
      // One sample is no line.
      if (points.length === 1) points.push(...points);
      out.push(
        `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="1.5" stroke-linecap="round"/>`,
      );
    }
    const last = samples.at(-1);
    if (last !== undefined) out.push(text(WIDTH - RIGHT + 8, y(of(last)) + 4, name, `fill="${colour}"`));
  }
  return `${[...out, '</svg>'].join('\n')}\n`;
};
