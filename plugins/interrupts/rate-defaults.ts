// SPDX-License-Identifier: MIT

/** Limits around a policy. */
export interface RateLimits {
  readonly changes: number;
  readonly seconds: number;
  /** Name of the policy inside. */
  readonly policy: string;
}

/** The limits of the plugin without options. */
export const usualLimits: RateLimits = { changes: 20, seconds: 10, policy: 'strict' };
