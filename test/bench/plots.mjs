// SPDX-License-Identifier: MIT
// Plots as SVG: horizontal bars on a logarithmic scale, with the spread of the rounds as a line.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { figuresPage } from './figures-page.mjs';
import { PROJECT } from './package-under-test.mjs';
import { short } from './report.mjs';

const WIDTH = 860;
const LABEL = 350;
const BAR = 18;
const STEP = 26;
const TOP = 46;
const BOTTOM = 34;
const RIGHT = 90;
const colours = { ours: '#2563a8', reference: '#9aa3ad' };

/** What is drawn: the end of the file's name, and the units it is for; of several the first that is there. */
const PLOTTED = { '': ['ns', 'µs', 'ms'], '-heap': ['bytes', 'KiB'], '-load': ['% of a core'] };

const escapeXml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const round = (value) => Math.round(value * 10) / 10;

const text = (x, y, content, attributes = '') =>
  `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escapeXml(content)}</text>`;

/**
 * @param bars `{ name, kind: 'ours' | 'reference', median, min, max }`, in the order of drawing
 * @returns the picture
 */
export const barChart = (title, unit, bars) => {
  const positive = bars.flatMap(({ min, max }) => [min, max]).filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...positive)) - 0.05);
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive)) + 0.05));
  const inner = WIDTH - LABEL - RIGHT;
  const x = (value) => LABEL + (inner * (Math.log10(Math.max(value, 10 ** low)) - low)) / (high - low);
  const height = TOP + STEP * bars.length + BOTTOM;
  const bottom = TOP + STEP * bars.length;
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(12, 22, title, 'font-size="15" font-weight="bold" fill="#1b1f24"'),
  ];
  for (let power = low; power <= high; power++) {
    const at = round(x(10 ** power));
    lines.push(`<line x1="${at}" y1="${TOP - 8}" x2="${at}" y2="${bottom}" stroke="#e3e6ea"/>`);
    lines.push(text(at, bottom + 16, `${10 ** power}`, 'text-anchor="middle" fill="#59626c"'));
  }
  lines.push(text(WIDTH - 12, bottom + 16, `${unit}, logarithmic`, 'text-anchor="end" fill="#59626c"'));
  bars.forEach(({ name, kind, median, min, max }, index) => {
    const y = TOP + STEP * index;
    const middle = y + BAR / 2;
    lines.push(text(LABEL - 10, middle + 4, name, 'text-anchor="end" fill="#1b1f24"'));
    lines.push(
      `<rect x="${LABEL}" y="${y}" width="${round(x(median) - LABEL)}" height="${BAR}" fill="${colours[kind]}"/>`,
    );
    if (max > min) {
      lines.push(
        `<line x1="${round(x(min))}" y1="${middle}" x2="${round(x(max))}" y2="${middle}" stroke="#1b1f24" stroke-width="1.5"/>`,
      );
    }
    lines.push(text(x(Math.max(median, max)) + 8, middle + 4, short(median), 'fill="#1b1f24"'));
  });
  return `${[...lines, '</svg>'].join('\n')}\n`;
};

/** Figures of one unit with their references, each reference once. */
const barsOf = (figures) => {
  const bars = new Map();
  for (const figure of figures) bars.set(figure.name, { kind: 'ours', ...figure });
  for (const { references } of figures) {
    for (const one of references) if (!bars.has(one.name)) bars.set(one.name, { kind: 'reference', ...one });
  }
  return [...bars.values()].filter(({ max }) => max > 0);
};

const labBars = (lab, what) =>
  lab.runs
    .filter((run) => run[what] !== undefined)
    .map((run) => ({
      name: `${run.backend}, ${what}`,
      kind: run.backend === 'kernel' ? 'reference' : 'ours',
      median: run[what].p50,
      min: run[what].p50,
      max: run[what].p99,
    }));

/**
 * Writes a plot per benchmark and unit, and those of the lab where `lab.json` lies beside them.
 *
 * @returns the files, from the project's folder
 */
export const plotAll = (results, folder) => {
  const { benches } = results;
  const plots = new Map(benches.map(({ name }) => [name, []]));
  mkdirSync(folder, { recursive: true });
  const written = [];
  const write = (name, title, unit, bars) => {
    const file = join(folder, `${name}.svg`);
    writeFileSync(file, barChart(title, unit, bars));
    written.push(relative(PROJECT, file));
    return `${name}.svg`;
  };
  for (const { name, summary, figures } of benches) {
    for (const [suffix, units] of Object.entries(PLOTTED)) {
      const unit = units.find((one) => figures.some((figure) => figure.unit === one));
      const bars = barsOf(figures.filter((figure) => figure.unit === unit));
      // A plot needs something to compare.
      if (bars.length > 1) plots.get(name).push(write(`${name}${suffix}`, `${name}: ${summary}`, unit, bars));
    }
  }
  const lab = join(folder, 'lab.json');
  if (existsSync(lab)) {
    const measured = JSON.parse(readFileSync(lab, 'utf8'));
    write('lab', 'config accesses of a guest under a real Xen, p50 to p99', 'µs', [
      ...labBars(measured, 'read'),
      ...labBars(measured, 'write'),
    ]);
  }
  const page = join(folder, 'figures.md');
  writeFileSync(page, figuresPage(results, plots));
  return [...written, relative(PROJECT, page)];
};
