// SPDX-License-Identifier: MIT

export { Dispatcher, type Target, type TargetLookup } from './dispatcher.ts';
export { Worker } from './worker.ts';
