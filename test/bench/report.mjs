// SPDX-License-Identifier: MIT

/** Three digits that count, and no more than that. */
export const short = (value) => {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return size >= 1 ? value.toFixed(2) : value.toFixed(3);
};

const range = ({ min, max }) => (min === max ? '' : ` (${short(min)}–${short(max)})`);

/** Prints one benchmark: each figure as median (least–most of the rounds), then its references with the ratio. */
export const printBench = ({ name, summary, seconds, figures, notes }) => {
  console.log(`\n${name}: ${summary} [${seconds} s]`);
  for (const figure of figures) {
    console.log(`  ${figure.name.padEnd(48)} ${short(figure.median)} ${figure.unit}${range(figure)}`);
    if (figure.note !== undefined) console.log(`    ${figure.note}`);
    for (const reference of figure.references) {
      const ratio = `× ${short(reference.ratio.median)}${range(reference.ratio)}`;
      console.log(`    ${`beside ${reference.name}`.padEnd(46)} ${short(reference.median)} ${figure.unit}  ${ratio}`);
    }
  }
  for (const note of notes) console.log(`  ${note}`);
};
