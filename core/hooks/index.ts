// SPDX-License-Identifier: MIT

import type { PcibackError } from '../errors/index.ts';
import { type HookArguments, type HookName, type HookResults, hookNames } from './table.ts';
import { TapPoint } from './tap-point.ts';

export * from './table.ts';
export { type Tap, type TapOptions, TapPoint } from './tap-point.ts';

type AsyncHook = 'deviceSeized' | 'deviceAssigned' | 'deviceReturned' | 'deviceReleased' | 'resetDevice';

/** What a call of the hook gives back to its owner. */
export type CallResult<Name extends HookName> = Name extends AsyncHook
  ? Promise<HookResults[Name]> | undefined
  : HookResults[Name];

/** All hooks of one running pciback. Only their owners in core call them; plugins see tap points through their facade. */
export class Hooks {
  readonly #points: { readonly [Name in HookName]: TapPoint<Name> };

  constructor(report: (error: PcibackError) => void) {
    this.#points = Object.fromEntries(hookNames.map((name) => [name, new TapPoint(name, report)])) as never;
  }

  point<Name extends HookName>(name: Name): TapPoint<Name> {
    return this.#points[name] as TapPoint<Name>;
  }

  call<Name extends HookName>(name: Name, ...args: HookArguments[Name]): CallResult<Name> {
    return this.point(name).call(...args) as CallResult<Name>;
  }

  /** @throws PcibackError `HOOK_ORDER` for the first tap whose wanted place does not exist. */
  check(): void {
    for (const name of hookNames) this.point(name).check();
  }
}
