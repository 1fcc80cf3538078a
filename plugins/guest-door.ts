// SPDX-License-Identifier: MIT

import type { Bdf } from '../core/bdf.ts';

/** A device for a guest. */
export interface AttachAsked {
  /** What the guest is called in records and in the log. */
  readonly name: string;
  readonly bdf: Bdf;
  /** Where it is offered, absolute; for a platform with sockets. */
  readonly path?: string | undefined;
  /** As `permissive=1` of a guest's file; for a platform with a toolstack. */
  readonly permissive?: boolean | undefined;
  /** The virtual slot that is asked for, as a devfn; for a platform with a toolstack. */
  readonly slot?: number | undefined;
}

/** Where the guest finds it. */
export interface Attached {
  readonly path?: string;
  readonly domain?: number;
  /** Its address there. */
  readonly vdev?: string;
  /** The guest has not asked for its devices yet: it is paused, or has no front end. */
  readonly waits?: boolean;
}

/** What the part that has the platform's name offers: it makes and ends guests. */
export interface GuestDoor {
  /** Gives a device to the guest of this name, which is made if there is none. @throws PcibackError why it is refused */
  attach(asked: AttachAsked): Promise<Attached>;
  /**
   * Takes a device from the guest of this name, or all.
   *
   * @returns their addresses; none: nothing was attached so
   */
  detach(name: string, bdf?: Bdf): Promise<readonly Bdf[]>;
  /** Of the guests that there are. */
  names(): readonly string[];
}
