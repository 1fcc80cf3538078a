// SPDX-License-Identifier: MIT

/** What is tried in a guest. */
export interface TrialTerms {
  /** Absolute paths of dumps, or names of bundled samples. */
  readonly devices: readonly string[];
  /** Absolute paths of quirks that are in force for them. */
  readonly quirks: readonly string[];
  /** Drivers of the guest, in place of those that it would load by itself; empty: none. */
  readonly drivers?: readonly string[];
  /** A script that the guest runs when its drivers are there. */
  readonly script?: string;
  /** Shows reads too, not only writes. */
  readonly showsReads: boolean;
  /** Raised by each device when all this was done; 0: none. */
  readonly interrupts: number;
  /** Longest time of the guest. */
  readonly seconds: number;
}

/** What whoever asks for a guest has to hear and say. */
export interface TrialHost {
  /** Writes a line of the report. */
  print(text: string): void;
  /** Ends the guest early. */
  readonly stop: AbortSignal;
}

/** How a trial went. */
export interface TrialResult {
  /** The guest came up, did what it was told, and switched itself off. */
  readonly done: boolean;
  /** Interrupts that were raised and that the guest did not count. */
  readonly lost: number;
}

/** A real guest that devices are tried in, on this machine. */
export interface GuestSystem {
  /** One sentence for people. */
  readonly about: string;
  /**
   * Fetches what it needs, once; does only what is missing.
   *
   * @throws PcibackError `GUEST_SYSTEM`
   */
  prepare(host: TrialHost): Promise<void>;
  /**
   * Boots a guest with these devices and reports what it did with them. Prepares first.
   *
   * @throws PcibackError `GUEST_SYSTEM`, and what devices and quirks are refused for
   */
  try(terms: TrialTerms, host: TrialHost): Promise<TrialResult>;
}
