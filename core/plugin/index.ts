// SPDX-License-Identifier: MIT

export {
  type Bdf,
  type BdfPattern,
  bdf,
  formatBdf,
  functionOf,
  hex,
  parseBdf,
  parseBdfPattern,
} from '../bdf.ts';
export { fail, PcibackError, problem } from '../errors/index.ts';
export type {
  ControlWordQuestion,
  InterruptLimits,
  InterruptPolicy,
  InterruptPolicyFactory,
  InterruptPolicySource,
  InterruptType,
  IntxAnswer,
  IntxQuestion,
  IntxState,
  MessageKind,
  PolicyFacts,
  RequestQuestion,
} from '../interrupts.ts';
export { type PciFunction, type PciIdentity, type PciResource, ResourceFlag } from '../platform/pci.ts';
export type { WatchPolicy } from '../platform/watch.ts';
export { Status } from '../ring/layout.ts';
export type { Placeable, Root, SlotMap, SlotMapper } from '../slots.ts';
export type {
  Behaviour,
  DeviceOperations,
  PowerState,
  RegisterAccess,
} from '../space/behaviour.ts';
export type { BitClaim, FieldSet, Register } from '../space/declaration.ts';
export { bit, bits, capability, extendedCapability, header, register } from '../space/declaration.ts';
export type { DescribedWrites } from '../space/described-writes.ts';
export { Outcome } from '../space/outcome.ts';
export { type State, stateOf } from '../space/state.ts';
export { add, hide, limitConfigSize, relink, type Surgery } from '../space/surgery.ts';
export * from './command.ts';
export * from './definition.ts';
export * from './part.ts';
