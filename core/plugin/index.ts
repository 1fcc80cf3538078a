// SPDX-License-Identifier: MIT

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
export { Status } from '../ring/layout.ts';
export type { Placeable, Root, SlotMap, SlotMapper } from '../slots.ts';
export {
  type Behaviour,
  type DeviceOperations,
  PENDING,
  type PowerState,
  type RegisterAccess,
} from '../space/behaviour.ts';
export type { BitClaim, FieldSet, Register } from '../space/declaration.ts';
export { bit, bits, capability, extendedCapability, header, register } from '../space/declaration.ts';
export type { QuietWrites } from '../space/quiet.ts';
export { add, hide, limitConfigSize, relink, type Surgery } from '../space/surgery.ts';
export * from './command.ts';
export * from './definition.ts';
export * from './part.ts';
