// SPDX-License-Identifier: MIT

import type { Logger } from '../../../core/log.ts';
import type { NativeLoader } from '../../kinds/native.ts';
import type { Holder } from './holders.ts';
import { LineHandlers } from './line-handlers.ts';
import { createLineHearing } from './line-hearing.ts';
import { HostChanges } from './stand-alone-changes.ts';
import { noDriverHolder } from './stand-alone-holder.ts';
import { NOTES } from './stand-alone-notes.ts';
import { createPermissions } from './stand-alone-permissions.ts';
import type { StandAlonePlatform } from './stand-alone-platform.ts';
import type { WriteAttribute } from './sysfs-files.ts';

/** What the mode adds to a platform. */
export interface StandAloneTools {
  readonly standAlone: StandAlonePlatform['standAlone'];
  readonly handlers: LineHandlers;
  readonly holder: Holder;
}

/**
 * @param names of libxenctrl, best first
 * @param notes folder of what is changed
 * @throws PcibackError `NATIVE_LIBRARY_MISSING`, `NATIVE_SYMBOL_MISSING`
 */
export const openStandAlone = (
  native: NativeLoader,
  names: readonly string[],
  {
    sysfs,
    write,
    log,
    notes = NOTES,
  }: {
    readonly sysfs: string;
    readonly write: WriteAttribute;
    readonly log: Logger;
    readonly notes?: string | undefined;
  },
): StandAloneTools => {
  const changes = new HostChanges(notes);
  const handlers = new LineHandlers({ sysfs, write, changes, hearing: createLineHearing(native, log) });
  const standAlone = { changes, permissions: createPermissions(native, names), handlers, sysfs };
  return { standAlone, handlers, holder: noDriverHolder({ ...standAlone, write }) };
};
