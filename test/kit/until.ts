// SPDX-License-Identifier: MIT

/** Resolves when `test` holds; rejects when it does not after many turns of the event loop. */
export const until = async (what: string, test: () => Promise<boolean> | boolean): Promise<void> => {
  for (let turns = 0; turns < 2000; turns++) {
    if (await test()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never: ${what}`);
};
