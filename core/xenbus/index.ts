// SPDX-License-Identifier: MIT

export { Discovery } from './discovery.ts';
export { GuestBackend } from './guest-backend.ts';
export type { GuestReport } from './guest-report.ts';
export * from './nodes.ts';
