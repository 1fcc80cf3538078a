// SPDX-License-Identifier: MIT

export * from './layout.ts';
export { Request } from './request.ts';
export { type AerRequest, Ring } from './ring.ts';
