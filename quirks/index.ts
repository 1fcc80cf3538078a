// SPDX-License-Identifier: MIT

/** `pciback/quirk`: what the file of a vendor imports, and all that it may. */
export * from '../core/quirk/quirk.ts';
export { Status } from '../core/ring/layout.ts';
export type { Behaviour, RegisterAccess, SharedWords } from '../core/space/behaviour.ts';
export {
  bit,
  bits,
  capability,
  extendedCapability,
  type FieldSet,
  header,
  type Register,
  register,
} from '../core/space/declaration.ts';
export { type State, stateOf } from '../core/space/state.ts';
export { add, hide, limitConfigSize, relink, type Surgery } from '../core/space/surgery.ts';
export { clearOnly, type Key, type Lock, lock, onlyValues, onlyWhile } from './blocks.ts';
export { lacksCapability, offCapabilityHeaders, onCapabilityHeader } from './conditions.ts';
export { ids } from './ids.ts';
