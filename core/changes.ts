// SPDX-License-Identifier: MIT

/** A plugin or quirk that came or went while others look at the registrations. */
export interface RegistrationChange {
  readonly what: 'loaded' | 'unloaded';
  readonly kind: 'plugin' | 'quirk';
  readonly name: string;
}

/** What a change did to the devices that guests have. */
export interface ChangeEffect {
  /** Devices that go by it from their next request on. */
  readonly devices: number;
  /** Devices that could not be looked at now (low power, a reset under way) and follow before their guest gets its answer. */
  readonly waiting: number;
  /** Milliseconds that compiling and swapping took; no request was served meanwhile. */
  readonly ms: number;
  /** Devices that keep what they had, and why. */
  readonly failures: readonly { readonly bdf: string; readonly why: string }[];
}

/** A change that was looked at and can be put in force. */
export interface PreparedChange {
  /** Never throws. */
  commit(): ChangeEffect;
}

/**
 * Told about a change when the registrations have it already. For `loaded` it may throw: then the change is taken back
 * and the error goes to whoever loaded. For `unloaded` it must not throw.
 */
export type ChangeListener = (change: RegistrationChange) => PreparedChange;

/** Asks every listener first; only when none refuses is the change put in force, for all at once. */
export const announce = (listeners: Iterable<ChangeListener>, change: RegistrationChange): ChangeEffect => {
  const prepared = [...listeners].map((listener) => listener(change));
  const effects = prepared.map((one) => one.commit());
  const sum = (what: 'devices' | 'waiting' | 'ms'): number => effects.reduce((total, one) => total + one[what], 0);
  const failures = effects.flatMap((one) => one.failures);
  return { devices: sum('devices'), waiting: sum('waiting'), ms: sum('ms'), failures };
};
