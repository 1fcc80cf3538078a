// SPDX-License-Identifier: MIT

const NUMBER = '(0|[1-9]\\d{0,8})';
const RELEASE = new RegExp(`^${NUMBER}\\.${NUMBER}\\.${NUMBER}$`);
/** From version 1 on; before it a caret means something else. */
const CARET = new RegExp(`^\\^([1-9]\\d{0,8})(?:\\.${NUMBER}(?:\\.${NUMBER})?)?$`);

const numbers = (form: RegExp, text: string): [number, number, number] | undefined => {
  const match = form.exec(text);
  if (match === null) return undefined;
  const [, major = '0', minor = '0', patch = '0'] = match;
  return [Number(major), Number(minor), Number(patch)];
};

/**
 * Whether a release lies in a range such as `^1.0`. Nearly every plugin says just that, and semver takes longer to load
 * than a plugin.
 *
 * @returns `undefined`: another kind of range or version, which is semver's matter
 */
export const inCaret = (version: string, range: string): boolean | undefined => {
  const offered = numbers(RELEASE, version);
  const least = numbers(CARET, range);
  if (offered === undefined || least === undefined) return undefined;
  const [major, minor, patch] = offered;
  return major === least[0] && (minor > least[1] || (minor === least[1] && patch >= least[2]));
};

/**
 * Whether a version of the API lies in a plugin's range. A pre-release counts as the version that it leads to: plugins
 * for that version can be tried with it.
 *
 * @returns `undefined`: the range is none
 */
export const liesInRange = async (version: string, range: string): Promise<boolean | undefined> => {
  const plain = inCaret(version, range);
  if (plain !== undefined) return plain;
  const { inAnyRange } = await import('./semver-range.ts');
  return inAnyRange(version, range);
};
