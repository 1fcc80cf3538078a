// SPDX-License-Identifier: MIT

export type { StubPolicy } from './assigner.ts';
export type { Assignment, ResumedDevice, Tenant } from './assignment.ts';
export type { EarlierDevices } from './earlier.ts';
export { HostOperations } from './host-operations.ts';
export type { InterruptDriver, InterruptDriverTerms } from './interrupt-driver.ts';
export { SavedConfig } from './saved-config.ts';
export { SeizedDevice } from './seized-device.ts';
export { Stub } from './stub.ts';
