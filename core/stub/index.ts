// SPDX-License-Identifier: MIT

export type { StubPolicy } from './assigner.ts';
export type { Assignment, Tenant } from './assignment.ts';
export { HostOperations } from './host-operations.ts';
export { InterruptControl, type NamedPolicy } from './interrupt-control.ts';
export { LineHandler, type LineState, type LineTerms, type SharedLines } from './line-handler.ts';
export { SavedConfig } from './saved-config.ts';
export { SeizedDevice } from './seized-device.ts';
export { Stub } from './stub.ts';
export { Vectors } from './vectors.ts';
