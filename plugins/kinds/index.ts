// SPDX-License-Identifier: MIT

/** `pciback/plugin`: what plugins import. The core's half, and the kinds of things that the program knows. */

export { type Catalogue, type Entry, entry } from '../../core/errors/catalogue.ts';
export { errorsOf } from '../../core/errors/index.ts';
export type { Engine, Ledger } from '../../core/pciback.ts';
export * from '../../core/plugin/index.ts';
export { fail, problem } from '../errors.ts';
export type { WatchPolicy } from './answerer.ts';
export * from './command.ts';
export type { GuestSystem, TrialHost, TrialResult, TrialTerms } from './guest-system.ts';
export { kinds } from './kinds.ts';
export type { NativeFactory } from './native.ts';
export * from './part.ts';
export * from './platform.ts';
