// SPDX-License-Identifier: MIT
// Compares what two guests saw of the same script of config accesses.

/**
 * @typedef {object} Operation
 * @property {string} device
 * @property {'r' | 'w' | 'e'} kind read, write, refused write
 * @property {number} offset
 * @property {number} size
 * @property {number} written
 * @property {number} result what was read; after a write, the dword around it
 */

/** The operations in a guest's console, in order. @returns {Operation[]} */
export function operationsIn(console) {
  const operations = [];
  for (const line of console.split('\n')) {
    const found = /^OP (\S+) ([rwe]) ([0-9a-f]+) (\d) ([0-9a-f]+) ([0-9a-f]+)\s*$/.exec(line);
    if (found === null) continue;
    const [, device, kind, offset, size, written, result] = found;
    operations.push({
      device,
      kind,
      offset: Number.parseInt(offset, 16),
      size: Number(size),
      written: Number.parseInt(written, 16),
      result: Number.parseInt(result, 16),
    });
  }
  return operations;
}

/** Whether the console says for every device that its script went to its end. */
export const isComplete = (console, operations) => {
  const said = [...console.matchAll(/^OPS \S+ (\d+)\s*$/gm)].reduce((sum, match) => sum + Number(match[1]), 0);
  return said > 0 && said === operations.length;
};

/**
 * Every operation whose answer differs. The script depends on what it reads in a few places (power states keep bits of
 * the register), so the questions are compared too.
 */
export function differences(kernel, ours) {
  const found = [];
  for (let index = 0; index < Math.max(kernel.length, ours.length); index++) {
    const [theirs, mine] = [kernel[index], ours[index]];
    if (theirs === undefined || mine === undefined) {
      found.push({ index, kernel: theirs, ours: mine });
      break;
    }
    const keys = ['device', 'kind', 'offset', 'size', 'written', 'result'];
    if (keys.some((key) => theirs[key] !== mine[key])) found.push({ index, kernel: theirs, ours: mine });
  }
  return found;
}

const show = (operation) =>
  operation === undefined
    ? 'nothing'
    : `${operation.device} ${operation.kind} 0x${operation.offset.toString(16)}:${operation.size} ` +
      `written 0x${operation.written.toString(16)} → 0x${operation.result.toString(16)}`;

export const describe = ({ index, kernel, ours }) =>
  `operation ${index}: kernel ${show(kernel)}; pciback ${show(ours)}`;

/**
 * Sorts differences by the rule that explains them.
 *
 * @param {{ id: string, explains(difference: object): boolean }[]} rules
 */
export function explain(found, rules) {
  const counts = new Map(rules.map((rule) => [rule.id, 0]));
  const unexplained = [];
  for (const difference of found) {
    const rule = rules.find((one) => one.explains(difference));
    if (rule === undefined) unexplained.push(difference);
    else counts.set(rule.id, (counts.get(rule.id) ?? 0) + 1);
  }
  return { counts, unexplained };
}
