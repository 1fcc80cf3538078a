// SPDX-License-Identifier: MIT
// How things are timed here: in rounds, each case once in each, so that a machine that slows down slows all of them.

/** The middle of some numbers. */
export const median = (values) => quantile(values, 0.5);

/** The value below which the share `q` of the numbers lies; of an even number of them the lower middle one. */
export const quantile = (values, q) => {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
};

/** Median and ends. */
export const spread = (values) => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
});

/**
 * Measures all cases in turn, A B C A B C …, after one round that does not count.
 *
 * @param cases name to a function that measures once and returns a number, or a promise of one
 * @returns name to one number per round
 */
export const interleave = async (rounds, cases) => {
  const results = new Map(Object.keys(cases).map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, measure] of Object.entries(cases)) {
      const value = await measure();
      if (round >= 0) results.get(name).push(value);
    }
  }
  return results;
};

/** Microseconds of processor time that this process has used: unlike a clock it stands still while others run. */
export const cpuMicroseconds = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** Nanoseconds of processor time per call of a loop that makes `calls` of them. */
export const nanoseconds = (loop, calls) => () => {
  const started = cpuMicroseconds();
  loop(calls);
  return ((cpuMicroseconds() - started) * 1000) / calls;
};

/** Lets a loop be compiled before it is timed. */
export const warm = (loops, calls) => {
  for (let i = 0; i < 3; i++) for (const loop of loops) loop(calls);
};

/**
 * A figure with its references, all from the same rounds.
 *
 * The ratio is taken round by round and its median quoted: then a slow round counts on both sides.
 *
 * @param values one number per round
 * @param references name to one number per round
 */
export const figure = (name, unit, values, references = {}, note = undefined) => ({
  name,
  unit,
  ...spread(values),
  rounds: values,
  ...(note === undefined ? {} : { note }),
  references: Object.entries(references).map(([reference, others]) => ({
    name: reference,
    ...spread(others),
    rounds: others,
    ratio: spread(values.map((value, round) => value / others[round])),
  })),
});

/**
 * Bytes of heap per call of a loop in steady state.
 *
 * Measured in slices that are shorter than the young generation, with a collection before each, so that none hides
 * what a slice allocated; what taking the measure costs is taken off.
 */
export const bytesPerCall = (loop, calls, slice = 10_000) => {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('run node with --expose-gc');
  const grown = (work) => {
    let bytes = 0;
    for (let done = 0; done < calls; done += slice) {
      gc({ type: 'minor' });
      const before = process.memoryUsage().heapUsed;
      work(slice);
      bytes += process.memoryUsage().heapUsed - before;
    }
    return bytes;
  };
  const nothing = () => {};
  grown(nothing);
  const cost = grown(nothing);
  loop(slice);
  return Math.max(0, grown(loop) - cost) / calls;
};
