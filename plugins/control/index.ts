// SPDX-License-Identifier: MIT

export { createClient } from './client.ts';
export {
  type ControlOperations,
  type DeviceStatus,
  type GuestStatus,
  type StatusReport,
  statusOf,
  type WatchReport,
} from './operations.ts';
export * from './protocol.ts';
export { controlSection, socketOf } from './section.ts';
export { ControlServer, type FindOperations } from './server.ts';
