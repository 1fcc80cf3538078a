// SPDX-License-Identifier: MIT

export { type Bdf, bdf, formatBdf, functionOf, hex, parseBdf } from '../bdf.ts';
export { fail, isPcibackError, PcibackError, problem } from '../errors/index.ts';
export type {
  ControlWordQuestion,
  DeviceInterrupts,
  InterruptLimits,
  InterruptMemory,
  InterruptNotes,
  InterruptPolicy,
  InterruptPolicyFactory,
  InterruptPolicySource,
  InterruptType,
  IntxAnswer,
  IntxQuestion,
  IntxState,
  LineState,
  MessageKind,
  NamedPolicy,
  PolicyFacts,
  RequestQuestion,
  SharedLines,
} from '../interrupts.ts';
export {
  Errno,
  HostError,
  type InterruptMapper,
  type LineClaim,
  type LineInterrupts,
  type LineVerdict,
} from '../platform/index.ts';
export { type PciFunction, type PciIdentity, type PciResource, ResourceFlag } from '../platform/pci.ts';
export { MAX_VECTORS, Status, statusName } from '../ring/layout.ts';
export type { Request } from '../ring/request.ts';
export type { Placeable, Root, SlotMap, SlotMapper } from '../slots.ts';
export type { Behaviour, DeviceOperations, PowerState, RegisterAccess } from '../space/behaviour.ts';
export { capabilities } from '../space/capabilities.ts';
export type { BitClaim, FieldSet, Register, Width } from '../space/declaration.ts';
export { bit, bits, capability, extendedCapability, header, register } from '../space/declaration.ts';
export type { DescribedWrites } from '../space/described-writes.ts';
export { Outcome } from '../space/outcome.ts';
export { type State, stateOf } from '../space/state.ts';
export { add, hide, limitConfigSize, relink, type Surgery } from '../space/surgery.ts';
export type { HostOperations, InterruptDriver, InterruptDriverTerms } from '../stub/index.ts';
export type { Place, Shape, Wall } from '../wall/wall.ts';
export * from './definition.ts';
