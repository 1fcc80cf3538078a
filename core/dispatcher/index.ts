// SPDX-License-Identifier: MIT

export { Dispatcher, type Target, type TargetLookup, WORK_BYTES } from './dispatcher.ts';
export { type Asker, type Patience, RingServer } from './ring-server.ts';
