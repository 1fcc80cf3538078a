// SPDX-License-Identifier: MIT
// Holds results against limits. A limit is on a ratio to a reference of the same run, or on a count; never on a time.

import { readFileSync } from 'node:fs';
import { short } from './report.mjs';
import { UsageError } from './usage.mjs';

/**
 * @param names benchmarks that will run; limits of others are left out
 * @returns limits: `{ bench, figure, against?, most, least? }`; without `against` the figure's own median is meant
 */
export const readLimits = (file, names) => {
  let limits;
  try {
    ({ limits } = JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${error.message}`);
  }
  if (!Array.isArray(limits)) throw new UsageError(`${file} has no list "limits".`);
  for (const one of limits) {
    if (typeof one.bench !== 'string' || typeof one.figure !== 'string' || typeof one.most !== 'number') {
      throw new UsageError(`${file}: a limit needs "bench", "figure" and "most": ${JSON.stringify(one)}`);
    }
  }
  return limits.filter(({ bench }) => names.includes(bench));
};

const textOf = ({ bench, figure, against }) => `${bench}: ${figure}${against === undefined ? '' : ` / ${against}`}`;

/** The number that a limit is on; throws when the benchmark has no such figure, so that no limit is passed by a typo. */
const valueUnder = ({ bench, figure, against }, benches) => {
  const found = benches.find(({ name }) => name === bench)?.figures.find(({ name }) => name === figure);
  if (found === undefined) throw new UsageError(`a limit is on "${figure}" of ${bench}, which has no such figure.`);
  if (against === undefined) return found.median;
  const reference = found.references.find(({ name }) => name === against);
  if (reference === undefined) throw new UsageError(`"${figure}" of ${bench} is not measured beside "${against}".`);
  return reference.ratio.median;
};

const isWithin = (limit, value) => value <= limit.most && value >= (limit.least ?? Number.NEGATIVE_INFINITY);
const judge = (limit, value) => (isWithin(limit, value) ? 'ok' : 'not ok');
const rangeOf = ({ most, least }) => (least === undefined ? `at most ${most}` : `${least} to ${most}`);

/**
 * Prints a line per limit. A benchmark that exceeds one is measured once more, since a busy machine can do that to it;
 * what counts is the second result, and the line says so.
 *
 * @returns the exit status
 */
export const checkLimits = async (limits, benches, measureAgain) => {
  console.log('');
  let [passed, failed] = [0, 0];
  const again = new Map();
  for (const limit of limits) {
    const first = valueUnder(limit, benches);
    let line = `${judge(limit, first)} - ${textOf(limit)}: ${short(first)}, ${rangeOf(limit)}`;
    let value = first;
    if (!isWithin(limit, first)) {
      if (!again.has(limit.bench)) again.set(limit.bench, await measureAgain(limit.bench));
      value = valueUnder(limit, [again.get(limit.bench)]);
      line = `${judge(limit, value)} - ${textOf(limit)}: ${short(value)} when measured again, first ${short(first)}, ${rangeOf(limit)}`;
    }
    console.log(line);
    if (isWithin(limit, value)) passed += 1;
    else failed += 1;
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
};
