// SPDX-License-Identifier: MIT

export { Discovery } from './discovery.ts';
export { GuestBackend, type GuestReport } from './guest-backend.ts';
export * from './nodes.ts';
