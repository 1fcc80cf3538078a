// SPDX-License-Identifier: MIT

const numbered = /^(.*\S) (\d+)$/;

/** Names that go on counting as one: `lane 0`, `lane 1`, `lane 2` as `lane 0 to 2`. */
export const inRuns = (names: readonly string[]): string[] => {
  const runs: { readonly first: string; readonly stem: string | undefined; last: number; length: number }[] = [];
  for (const name of names) {
    const [, stem, digits = ''] = numbered.exec(name) ?? [];
    const run = runs.at(-1);
    if (run !== undefined && stem !== undefined && run.stem === stem && Number(digits) === run.last + 1) {
      run.last++;
      run.length++;
    } else runs.push({ first: name, stem, last: Number(digits), length: 1 });
  }
  return runs.map(({ first, last, length }) => (length === 1 ? first : `${first} to ${last}`));
};
