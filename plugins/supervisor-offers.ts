// SPDX-License-Identifier: MIT

/** What the part `supervisor` offers, where a service manager started this process. */
export interface SupervisorOffers {
  /** While `work` runs the service manager knows that the configuration is read again. */
  reloading<Result>(work: () => Promise<Result>): Promise<Result>;
}
