// SPDX-License-Identifier: MIT

/**
 * pciback inside of another program: {@link startPciback} serves guests in this process, on a platform of one's own or on
 * the embedded one, whose toolstack makes guests and whose included guest uses their devices.
 */

export { type Bdf, bdf, formatBdf, parseBdf } from '../../core/bdf.ts';
export { isPcibackError, PcibackError } from '../../core/errors/index.ts';
export type { Logger } from '../../core/log.ts';
export type { Engine, GuestReport, Ledger } from '../../core/pciback.ts';
export { HostError, type PciListing, type Platform } from '../../core/platform/index.ts';
export type { ErrorCode } from '../errors.ts';
export type { Config } from '../kinds/config.ts';
export type { PartReport } from '../kinds/part.ts';
export * from '../platforms/embedded/index.ts';
export { defineConfig, type RcFile } from './config.ts';
export type { BundledOperations } from './operations.ts';
export { type RunningPciback, type StartOptions, startPciback } from './start.ts';
