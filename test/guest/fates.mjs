// SPDX-License-Identifier: MIT
// What became of each bit that a guest wrote.

const hex = (value, digits) => (value >>> 0).toString(16).padStart(digits, '0');

/** What a policy does with a bit that is written. */
const effects = {
  readOnly: 'refused: read-only',
  writable: 'to hardware',
  clearedByOne: 'ones to hardware',
  emulated: "the guest's own",
  shown: 'refused: fixed',
  reserved: 'ignored',
  function: 'by code',
};

/**
 * The writes of a session: each distinct one once, with who got which bits of it.
 *
 * @param accesses as a recorder has them
 * @param space the device's config space
 * @returns {{ text: string, refused: number }[]}
 */
export function fatesOf(accesses, space) {
  const seen = new Map();
  for (const { kind, offset, size, value, status, denied } of accesses) {
    if (kind !== 'write') continue;
    const key = `${offset} ${size} ${value} ${denied} ${status}`;
    const before = seen.get(key);
    if (before !== undefined) before.times++;
    else seen.set(key, { offset, size, value, status, denied, times: 1 });
  }
  return [...seen.values()].map((one) => ({ text: lineOf(one, space), refused: one.denied }));
}

function lineOf({ offset, size, value, status, denied, times }, space) {
  const whole = size === 4 ? 0xffffffff : 2 ** (8 * size) - 1;
  const shift = 8 * (offset & 3);
  /** What becomes of bits, by its words: registers that say the same are one line. */
  const parts = new Map();
  const add = (bits, words) => parts.set(words, ((parts.get(words) ?? 0) | bits) >>> 0);
  let open = whole;
  for (const { mask, policy, owner } of space.claimsOf(offset, whole)) {
    const bits = ((mask >>> shift) & whole) >>> 0;
    if (bits === 0) continue;
    open = (open & ~bits) >>> 0;
    add(bits, `${effects[policy]} (${owner})`);
  }
  if (open !== 0) add(open, 'dropped: no field');
  const refused = denied === 0 ? '' : `, refused ${hex(denied, 2 * size)}`;
  const failed = status === 0 ? '' : `, status ${status}`;
  const count = times === 1 ? '' : ` ${times}x`;
  const lines = [...parts].map(([words, bits]) => `\n      ${hex(bits, 2 * size)} ${words}`);
  return `0x${hex(offset, 3)}:${size} = ${hex(value, 2 * size)}${count}${refused}${failed}${lines.join('')}`;
}
