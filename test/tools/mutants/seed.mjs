// SPDX-License-Identifier: MIT

/**
 * A mutant that breaks the behaviour of a seed commit.
 *
 * @param change `file`, `find` and `replace`
 * @param named test files, each with the titles that `docs/reference/seeds.md` names: all of those have to fail
 */
export const seed = (id, name, change, named) => ({
  name: `seed ${id}: ${name}`,
  ...change,
  tests: named.map(([test]) => test),
  titles: named.flatMap(([, ...titles]) => titles),
  why: `docs/reference/seeds.md says that these tests show seed ${id}`,
});
