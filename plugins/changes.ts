// SPDX-License-Identifier: MIT

import type { ChangeEffect } from '../core/changes.ts';
import type { CommandContext } from './kinds/command.ts';

/** What came or went, and what that did to devices that guests have. */
export interface NamedChange extends ChangeEffect {
  readonly names: readonly string[];
}

const noEffect: ChangeEffect = { devices: 0, waiting: 0, ms: 0, failures: [] };

/** Several changes in one. */
export const sumOf = (effects: readonly ChangeEffect[]): ChangeEffect =>
  effects.reduce(
    (sum, one) => ({
      devices: Math.max(sum.devices, one.devices),
      waiting: Math.max(sum.waiting, one.waiting),
      ms: sum.ms + one.ms,
      failures: sum.failures.concat(one.failures),
    }),
    noEffect,
  );

/** Prints a change. @returns 0; 1 when a device keeps its old registers */
export const printChange = (context: CommandContext, verb: string, change: NamedChange): number => {
  const { names, devices, waiting, ms, failures } = change;
  if (context.options.json === true) context.print(JSON.stringify(change, undefined, 2));
  else {
    const later = waiting === 0 ? '' : `, ${waiting} more when they leave low power or reset`;
    context.print(`${names.join(', ')} ${verb}: in force for ${devices} assigned devices${later}, ${ms.toFixed(2)} ms`);
    for (const { bdf, why } of failures) context.print(`  ${bdf} keeps its old registers: ${why}`);
  }
  return failures.length === 0 ? 0 : 1;
};
