// SPDX-License-Identifier: MIT

export type { StubPolicy } from './assigner.ts';
export type { Assignment, Tenant } from './assignment.ts';
export { HostOperations } from './host-operations.ts';
export type { InterruptDriver, InterruptDriverTerms } from './interrupt-driver.ts';
export { SavedConfig } from './saved-config.ts';
export { SeizedDevice } from './seized-device.ts';
export { Stub } from './stub.ts';
