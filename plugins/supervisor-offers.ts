// SPDX-License-Identifier: MIT

/** What the part `hand-over` tells of itself: while it is `leaving`, guests go to another process and nothing ends. */
export interface HandOverProgress {
  readonly state: { readonly state: string; readonly pid?: number };
}

/** What the part `supervisor` offers, where a service manager started this process. */
export interface SupervisorOffers {
  /** While `work` runs the service manager knows that the configuration is read again. */
  reloading<Result>(work: () => Promise<Result>): Promise<Result>;
}
