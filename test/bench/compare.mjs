// SPDX-License-Identifier: MIT
// Two built packages side by side: each is measured in processes of its own, in turn with the other, so that a machine
// that slows down slows both.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spread } from './measure.mjs';
import { DIST } from './package-under-test.mjs';
import { short } from './report.mjs';

/** Measures one package once. @returns its figures, each with the name of its benchmark */
const measureOnce = (dist, names, file) => {
  const { PCIBACK_BEFORE: _before, ...env } = process.env;
  const words = ['--expose-gc', join(import.meta.dirname, 'main.mjs'), ...names, '--quick', '--json', file];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, {
    env: { ...env, PCIBACK_DIST: dist },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${dist} cannot be measured:\n${stdout}${stderr}`);
  const { benches } = JSON.parse(readFileSync(file, 'utf8'));
  return benches.flatMap(({ name, figures }) => figures.map((one) => ({ bench: name, ...one })));
};

/** What a figure costs: of a rate the inverse, so that more is always slower. */
const costOf = ({ unit, median }) => (unit.endsWith('/s') ? 1 / median : median);

/** After / before of every pair of runs; `undefined` for what costs nothing before, such as heap. */
const ratios = (pairs, of) => {
  const all = pairs.map(({ before, after }) => of(after) / of(before));
  return all.every(Number.isFinite) ? spread(all) : undefined;
};

const row = (pairs, figures) => {
  const [{ after: first }] = pairs;
  // The first that is not pciback itself.
  const at = first.references.findIndex(({ name }) => !figures.includes(name));
  const reference = first.references[at]?.name;
  return {
    bench: first.bench,
    figure: first.name,
    unit: first.unit,
    before: spread(pairs.map(({ before }) => before.median)),
    after: spread(pairs.map(({ after }) => after.median)),
    ratio: ratios(pairs, costOf),
    ...(reference === undefined
      ? {}
      : {
          reference,
          besideReference: ratios(pairs, (one) => costOf(one) / costOf({ ...one.references[at], unit: one.unit })),
        }),
  };
};

const times = (ratio) =>
  ratio === undefined ? '–' : `× ${short(ratio.median)} (${short(ratio.min)}–${short(ratio.max)})`;

/**
 * Measures two packages in turn and prints what each figure costs after as a share of what it cost before; then the
 * same of the figure relative to its first reference that is no figure of pciback, which a busy machine disturbs less.
 *
 * @param before folder of the other built package
 * @param names benchmarks, each with figures of the same names in both
 * @param rounds pairs of runs; every other pair begins with the other package
 * @returns a row for each figure
 */
export const compare = (before, names, rounds) => {
  const folder = mkdtempSync(join(tmpdir(), 'pciback-bench-'));
  const runs = { before: [], after: [] };
  try {
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? ['before', 'after'] : ['after', 'before'];
      for (const side of order) {
        runs[side].push(measureOnce(side === 'before' ? before : DIST, names, join(folder, 'figures.json')));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const same = (one) => (other) => other.bench === one.bench && other.name === one.name;
  // What only one of the two measures has nothing to stand beside.
  const figures = runs.after[0].map(({ name }) => name);
  const rows = runs.after[0]
    .filter((one) => runs.before[0].some(same(one)))
    .map((one) => {
      const pairs = runs.after.map((after, at) => ({
        after: after.find(same(one)),
        before: runs.before[at].find(same(one)),
      }));
      return row(pairs, figures);
    });
  console.log(`after: ${DIST}\nbefore: ${before}\n${rounds} pairs of runs; median (least–most); above 1 is slower`);
  let bench = '';
  for (const one of rows) {
    if (one.bench !== bench) console.log(`\n${one.bench}: before → after, after / before`);
    bench = one.bench;
    console.log(
      `  ${one.figure.padEnd(48)} ${short(one.before.median)} → ${short(one.after.median)} ${one.unit}  ${times(one.ratio)}`,
    );
    if (one.reference !== undefined)
      console.log(`    ${`beside ${one.reference}`.padEnd(46)} ${times(one.besideReference)}`);
  }
  return rows;
};
