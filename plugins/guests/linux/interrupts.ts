// SPDX-License-Identifier: MIT
// Interrupts that devices of a trial raise, and what the guest counted of them.

/** It counts too, while the guest prints. */
const CONSOLE = 'ttyS0';
/** Marks of the console. */
const BEFORE = 'interrupts before';
const AFTER = 'interrupts after';
/** The guest waits for a word on its console. */
export const WAITS = '=== waits for interrupts';
const WORD = 'raised';
/** Seconds that it waits at most, and after the word, for what is under way. */
const PATIENCE = 60;

/** What the guest does: counts, waits for the word, counts again. */
export const COUNT_INTERRUPTS = `
echo "=== begin ${BEFORE}"; cat /proc/interrupts; echo "=== end ${BEFORE}"
echo "${WAITS}"; read -t ${PATIENCE} word; sleep 1
echo "=== begin ${AFTER}"; cat /proc/interrupts; echo "=== end ${AFTER}"
`;

/** Milliseconds between two: an interrupt that is raised while the one before waits is the same interrupt. */
const GAP_MS = 50;

/** What came of raising one. */
export interface Raised {
  /** intx, msi or msix. */
  readonly kind: string;
  readonly outcome: string;
}

/**
 * Raises them, and then tells the guest.
 *
 * @param devices what raises one, for each device
 * @param type writes to the guest's console
 * @returns how often each outcome was there, for each device, as `msi raised` → 3
 */
export const raiseAll = async (
  devices: readonly (() => Promise<Raised>)[],
  times: number,
  type: (line: string) => void,
): Promise<readonly ReadonlyMap<string, number>[]> => {
  const found = devices.map(() => new Map<string, number>());
  for (let i = 0; i < times; i++) {
    for (const [index, raise] of devices.entries()) {
      const { kind, outcome } = await raise();
      const words = `${kind} ${outcome}`;
      found[index]?.set(words, (found[index]?.get(words) ?? 0) + 1);
    }
    await new Promise((resolve) => setTimeout(resolve, GAP_MS));
  }
  type(WORD);
  return found;
};

/** Of those that were raised, how many no line of the guest's table counted. */
export const lostOf = (raised: readonly ReadonlyMap<string, number>[], section: (name: string) => string): number => {
  const went = raised.flatMap((one) => [...one]).filter(([words]) => words.endsWith(' raised'));
  const sum = (counts: readonly number[]): number => counts.reduce((all, one) => all + one, 0);
  return Math.max(0, sum(went.map(([, count]) => count)) - sum(countedOf(section).map(({ count }) => count)));
};

/** A line of `/proc/interrupts`. */
export interface Counted {
  /** Chip and handlers, as the kernel names them. */
  readonly what: string;
  readonly count: number;
}

/** Numbered interrupts by their number: sums over processors. */
const countsOf = (text: string): ReadonlyMap<string, Counted> => {
  const found = new Map<string, Counted>();
  for (const [, number = '', counts = '', what = ''] of text.matchAll(/^ *(\d+):((?: +\d+)+) +(.*)$/gm)) {
    const count = counts.trim().split(/ +/).map(Number);
    found.set(number, { what: what.replace(/ +/g, ' '), count: count.reduce((sum, one) => sum + one, 0) });
  }
  return found;
};

/**
 * What was counted between two looks, where something was.
 *
 * @param section gives what the guest printed between marks
 */
export const countedOf = (section: (name: string) => string): readonly Counted[] => {
  const before = countsOf(section(BEFORE));
  return [...countsOf(section(AFTER))]
    .map(([number, { what, count }]) => ({ what, count: count - (before.get(number)?.count ?? 0) }))
    .filter(({ what, count }) => count > 0 && !what.endsWith(CONSOLE));
};
