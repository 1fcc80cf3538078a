// SPDX-License-Identifier: MIT

import type { Bdf } from '../bdf.ts';
import type { Channel, GuestVerdict } from '../ring/layout.ts';

/** Stages of a host's recovery from a PCI Express error, in the order they come. */
export type RecoveryStage = 'detected' | 'mmioEnabled' | 'slotReset' | 'resume';

/** A host's recovery has come to a stage, for one function. */
export interface DeviceError {
  readonly bdf: Bdf;
  readonly stage: RecoveryStage;
  /** At `detected` the state of the channel; later the one that it was detected with: after `frozen` the link was reset. */
  readonly channel: Channel;
}

/** Takes part in a recovery: says what the one who uses the function makes of the stage. Never rejects. */
export type ErrorListener = (error: DeviceError) => Promise<GuestVerdict>;

/** How bad an error is. A corrected one costs nothing; a fatal one takes the link with it. */
export type ErrorSeverity = 'correctable' | 'nonfatal' | 'fatal';

/** What became of an error. */
export interface RecoveryReport {
  readonly outcome: 'corrected' | 'recovered' | 'failed';
  /** Who was asked what, stage by stage, and the verdicts. */
  readonly steps: readonly (DeviceError & { readonly verdict: GuestVerdict })[];
}

/**
 * PCI Express errors of the host's functions.
 *
 * Obligations: the listener is called once for each function and stage, and the stages of one function never overlap;
 * nobody but the recovery that asked waits for the listener.
 */
export interface HostErrors {
  /** @returns ends the subscription */
  subscribe(listener: ErrorListener): () => void;
  /** A guest has the function from now on; the result is called when it goes back. Missing: the source sees all. */
  watch?(address: Bdf): () => void;
  /**
   * Makes a function raise an error, so that a recovery can be practised. Missing: the platform cannot.
   *
   * @throws PcibackError `DEVICE_NOT_FOUND`, `ERRORS_NOT_INJECTED` for a function that cannot report errors
   */
  inject?(address: Bdf, severity: ErrorSeverity): Promise<RecoveryReport>;
}

/** What may follow when a guest's device is cut off. A platform has those that it can do; they throw `HostError`. */
export interface DomainControl {
  readonly pause?: (domain: number) => void | Promise<void>;
  /** Ends the domain as a crash does, so that its toolstack cleans up. */
  readonly destroy?: (domain: number) => void | Promise<void>;
}
