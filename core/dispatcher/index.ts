// SPDX-License-Identifier: MIT

export { Dispatcher, type Target, type TargetLookup, WORK_BYTES } from './dispatcher.ts';
export type { AerOutcome } from './error-requests.ts';
export { type Patience, RingServer } from './ring-server.ts';
