// SPDX-License-Identifier: MIT

export type { Assignment, Tenant } from './assignment.ts';
export { HostOperations } from './host-operations.ts';
export { SavedConfig } from './saved-config.ts';
export { SeizedDevice } from './seized-device.ts';
export { Stub, type StubPolicy } from './stub.ts';
export { Vectors } from './vectors.ts';
