// SPDX-License-Identifier: MIT

export * from './layout.ts';
export { Request } from './request.ts';
export { Ring } from './ring.ts';
