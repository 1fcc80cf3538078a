// SPDX-License-Identifier: MIT

/** A piece of a plugin that runs as long as the daemon. */
export interface PartDefinition {
  /** One sentence for `pciback plugins` and the reference. */
  readonly about: string;
  readonly needs?: readonly string[];
}
