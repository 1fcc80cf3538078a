// SPDX-License-Identifier: MIT
// What guests measured under two back ends, side by side. Times are emulated: only their ratio means something.

/**
 * @typedef {object} Row microseconds
 * @property {number} count
 * @property {number} p50
 * @property {number} p90
 * @property {number} p99
 * @property {number} max
 */

/** Rows of a run, as the guest names them, with what they are. */
export const ROWS = new Map([
  ['read', '4-byte read, vendor and device id'],
  ['readAll', '4-byte read, 0x00 to 0xff in turn'],
  ['alone', 'no request: as long in the guest alone'],
  ['write', '1-byte write, cache line size (0x0c)'],
  ['writeDropped', '2-byte write, interrupt line (0x3c)'],
]);
/** Single times of a run, in milliseconds, and what they are. */
export const TIMES = new Map([
  ['scanMs', 'first scan, 256 functions'],
  ['rescanMs', 'rescan of the bus, median'],
  ['bindMs', 'bind of the driver, median'],
]);
const QUANTILES = ['p50', 'p90', 'p99', 'max'];
export const BACKENDS = ['kernel', 'pciback'];

/** `BENCH read count=20000 p50=1.5 …` of a guest's console, by name. */
function linesIn(console) {
  const rows = {};
  for (const [, name, words] of console.matchAll(/^BENCH (\w+) (.*?)\s*$/gm)) {
    rows[name] = Object.fromEntries(words.split(' ').map((word) => [word.split('=')[0], Number(word.split('=')[1])]));
  }
  return rows;
}

/**
 * One guest's measurements.
 * @param {string} guest its name, of which the part before the hyphen is the back end
 * @throws {Error} when something was not measured
 */
export function runOf(guest, console) {
  const { scan, rescan, bind, ...rows } = linesIn(console);
  const missing = [...ROWS.keys()].filter((name) => rows[name] === undefined);
  if (scan === undefined || rescan === undefined || bind === undefined || missing.length > 0) {
    throw new Error(`${guest} measured only: ${Object.keys(linesIn(console)).join(', ') || 'nothing'}`);
  }
  const milliseconds = { scanMs: scan.ms, rescanMs: rescan.p50 / 1000, bindMs: bind.p50 / 1000 };
  return { backend: guest.split('-')[0], guest, ...rows, ...milliseconds };
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Every number of `runs`, taken together by `combine`, in the shape of one run. */
function combined(runs, combine) {
  const result = {};
  for (const row of ROWS.keys()) {
    result[row] = Object.fromEntries(QUANTILES.map((q) => [q, combine(runs.map((run) => run[row][q]))]));
  }
  for (const time of TIMES.keys()) result[time] = combine(runs.map((run) => run[time]));
  return result;
}

/** Medians over the runs of each back end, and pciback's as multiples of the kernel's: below 1 is faster. */
export function compare(runs) {
  const [kernel, pciback] = BACKENDS.map((backend) =>
    combined(
      runs.filter((run) => run.backend === backend),
      median,
    ),
  );
  const ratios = combined([pciback, kernel], ([ours, theirs]) => Number((ours / theirs).toFixed(3)));
  return { medians: { kernel, pciback }, ratios };
}

/** The comparison as a table for people. */
export function table({ medians, ratios }, runs) {
  const cells = (name, theirs, ours, ratio) =>
    `${name.padEnd(46)}${theirs.toFixed(1).padStart(11)}${ours.toFixed(1).padStart(11)}${ratio.toFixed(2).padStart(9)}`;
  const lines = [`${`medians of ${runs} runs each`.padEnd(46)}     kernel    pciback    ratio`];
  for (const [row, text] of ROWS) {
    for (const q of QUANTILES) {
      const name = `${text}, ${q}, µs`;
      lines.push(cells(name, medians.kernel[row][q], medians.pciback[row][q], ratios[row][q]));
    }
  }
  for (const [time, text] of TIMES) {
    lines.push(cells(`${text}, ms`, medians.kernel[time], medians.pciback[time], ratios[time]));
  }
  return lines.join('\n');
}
